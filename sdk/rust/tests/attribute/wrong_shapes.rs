use triphammer_sdk::{Context, Event, Fault, function};

#[function(on = "a")]
struct NotAFunction;

#[function(on = "a")]
async fn asynchronous(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a")]
fn generic<T>(_: Event<T>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a")]
fn one_parameter(_: Event<()>) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a")]
fn shared_context(_: Event<()>, _: &Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a")]
fn no_result(_: Event<()>, _: &mut Context) {}

struct Methods;

impl Methods {
    #[function(on = "a")]
    fn method(self, _: &mut Context) -> Result<(), Fault> {
        Ok(())
    }
}

fn main() {}
