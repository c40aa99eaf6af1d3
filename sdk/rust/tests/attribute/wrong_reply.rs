use triphammer_sdk::{Context, Event, Fault, function};

#[function(on = "a")]
fn returns_a_string(_: Event<()>, _: &mut Context) -> Result<String, Fault> {
    Ok("hello".into())
}

fn main() {}
