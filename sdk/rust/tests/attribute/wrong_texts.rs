use triphammer_sdk::{Context, Event, Fault, function};

#[function(on = [])]
fn no_pattern(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "")]
fn empty_pattern(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = ["order..placed", "order.pl*", "order placed", "order.placed", "order.placed"])]
fn bad_patterns(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = 7)]
fn pattern_that_is_no_text(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", timeout = "2 s", memory = "16MB", key = "Subject", filter = " ")]
fn bad_texts(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", timeout = 2, memory = 16, key = true)]
fn no_texts(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", timeout = "0s", memory = "0B", key = "data.account")]
fn texts_that_mean_nothing(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", retry(initial = "soon", max = "9999d"))]
fn bad_retry_texts(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", retry(initial = "10s", max = "5s"))]
fn first_wait_longer_than_the_longest(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

fn main() {}
