//! The events that an attempt emits and the timers that it sets, checked as they come. Knows nothing
//! of where they go.

use triphammer_model::{Limits, NewEvent, TimerChange, TimerEvent};

use crate::bindings::imports::{outbox, timers};
use crate::error::{Limit, Stop};
use crate::host::Refusal;
use crate::new_event::Unchecked;

/// The longest delay that an event or a timer may ask for: ten years.
pub(crate) const DELAY_MS_MAX: u64 = 3650 * 86_400_000;
/// The longest name of a timer, in bytes.
const TIMER_NAME_LEN_MAX: usize = 128;

#[derive(Default)]
pub(crate) struct Outbox {
    emits: Vec<NewEvent>,
    timers: Vec<TimerChange>,
    /// Calls that set or cancel a timer, and those that set one.
    timer_calls: usize,
    timers_set: usize,
    bytes: usize,
}

/// What is done or refused; an error outside ends the attempt.
type Answer = Result<Result<(), Refusal>, Stop>;

impl Outbox {
    pub(crate) fn emit(&mut self, event: outbox::NewEvent, limits: &Limits) -> Answer {
        let delay_ms = event.delay_ms;
        let event = Unchecked::from(event);
        // The limits come first, so that a guest can't make the host check too much either.
        self.count(event.size(), limits)?;
        if delay_ms.is_some_and(|delay| delay > DELAY_MS_MAX) {
            let message = "`delay-ms` is longer than 3650 days";
            return Ok(Err(Refusal::new("event.malformed", message)));
        }
        Ok(event.checked().map(|parts| self.emits.push(NewEvent { parts, delay_ms })))
    }

    pub(crate) fn set_timer(
        &mut self,
        name: String,
        after_ms: u64,
        event: timers::TimerEvent,
        limits: &Limits,
    ) -> Answer {
        let event = Unchecked::from(event);
        self.count_timer(limits)?;
        self.count(event.size().saturating_add(name.len()), limits)?;
        self.timers_set += 1;
        if let Err(refusal) = check_timer_name(&name) {
            return Ok(Err(refusal));
        }
        if after_ms > DELAY_MS_MAX {
            let message = "a timer may not be set for later than 3650 days";
            return Ok(Err(Refusal::new("timer.delay", message)));
        }
        let set = event.checked().map(|parts| Some(TimerEvent { parts, after_ms }));
        Ok(set.map(|set| self.change_timer(TimerChange { name, set })))
    }

    pub(crate) fn cancel_timer(&mut self, name: String, limits: &Limits) -> Answer {
        self.count_timer(limits)?;
        if let Err(refusal) = check_timer_name(&name) {
            return Ok(Err(refusal));
        }
        self.change_timer(TimerChange { name, set: None });
        Ok(Ok(()))
    }

    pub(crate) fn into_effects(self) -> (Vec<NewEvent>, Vec<TimerChange>) {
        (self.emits, self.timers)
    }

    /// The last change of a name holds. There are few enough of them to look at each.
    fn change_timer(&mut self, change: TimerChange) {
        self.timers.retain(|earlier| earlier.name != change.name);
        self.timers.push(change);
    }

    fn count_timer(&mut self, limits: &Limits) -> Result<(), Stop> {
        if self.timer_calls >= limits.timers_max {
            return Err(Limit::Timers.exceeded(limits.timers_max).into());
        }
        self.timer_calls += 1;
        Ok(())
    }

    /// Room for one event more, of this size.
    fn count(&mut self, size: usize, limits: &Limits) -> Result<(), Stop> {
        self.bytes = self.bytes.saturating_add(size);
        if self.emits.len() + self.timers_set >= limits.emits_max {
            return Err(Limit::Emits.exceeded(limits.emits_max).into());
        }
        if self.bytes > limits.emit_bytes_max {
            return Err(Limit::EmitBytes.exceeded(limits.emit_bytes_max).into());
        }
        Ok(())
    }
}

fn check_timer_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::new("timer.name", "a timer's name must not be empty"));
    }
    if name.len() > TIMER_NAME_LEN_MAX {
        let message = format!("a timer's name may not exceed {TIMER_NAME_LEN_MAX} bytes");
        return Err(Refusal::new("limit.timer_name", message));
    }
    Ok(())
}
