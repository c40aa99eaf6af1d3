use triphammer_sdk::{Context, Event, Fault, function};

type Other = Event<()>;

#[function(on = "a", batch(max = 10))]
fn single_by_another_name(_: Other, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

fn main() {}
