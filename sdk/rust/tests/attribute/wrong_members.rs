use triphammer_sdk::{Context, Event, Fault, function};

#[function]
fn no_arguments(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(key = "subject")]
fn without_on(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", colour = "red", key::word = "x")]
fn unknown_members(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", on = "b", timeout = "1s", timeout = "2s")]
fn members_given_twice(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", timeout)]
fn member_without_a_value(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", retry = 3)]
fn retry_that_is_not_a_list(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", retry(times = 3))]
fn unknown_member_of_retry(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", throttle = 5, rate_limit(limit = 5), schedule(zone = "UTC"))]
fn lists_that_lack_something(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", batch(max = 1, size = 2), breaker(failures = 1, failures = 2), debounce)]
fn lists_with_wrong_members(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

#[function(on = "a", schedule(cron = "* * * * *"), schedule(cron = "* * * * *"))]
fn schedules_of_one_name(_: Event<()>, _: &mut Context) -> Result<(), Fault> {
    Ok(())
}

fn main() {}
