use triphammer_sdk::{Context, Event, Fault, function};

#[function(on = "a", priority = 10, concurrency = 0)]
fn out_of_range(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", priority = -1, concurrency = "4")]
fn not_whole_numbers(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", retry(attempts = 0, factor = 0.5))]
fn retry_out_of_range(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", retry(attempts = 2.5, factor = "2"))]
fn retry_of_wrong_types(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

fn main() {}
