use triphammer_sdk::{Context, Event, Fault, function};

#[function(on = "a", dead_letter(lane = "halt"), key_concurrency = 2)]
fn lanes_without_a_key(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", key = "subject", dead_letter(lane = "halt"), key_concurrency = 2)]
fn a_halted_lane_for_two(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", dead_letter(lane = "stop", keep = "0s"), retry(age = "10ms"))]
fn dead_letters(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", key_concurrency = 0, rate_limit(limit = 0, period = "8d"))]
fn rates(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", debounce(period = "5s", max = "1s"), batch(max = 1001, wait = "2h"))]
fn waits(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", batch(max = 10))]
fn single_with_batch(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a")]
fn list_without_batch(_: Vec<Event<()>>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", breaker(failures = 0, probe = "1ms"))]
fn breakers(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(
    on = "a",
    schedule(cron = "* * * *"),
    schedule(cron = "0 24 * * *"),
    schedule(cron = "0 0 * * *", zone = "Middle Earth", missed = "twice", name = ""),
    schedule(cron = "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24 * * * *"),
)]
fn schedules(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

fn main() {}
