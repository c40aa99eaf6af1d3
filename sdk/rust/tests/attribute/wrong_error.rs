use triphammer_sdk::{Context, Event, function};

#[function(on = "a")]
fn returns_another_error(_: Event<()>, _: &mut Context) -> Result<(), String> {
    Ok(())
}

fn main() {}
