use triphammer_sdk::{Context, Event, Fault, function};

#[function(on = "a")]
fn first(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "b")]
fn second(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

fn main() {}
