//! Functions that may not run for a time: closed, they have no turn, so nobody asks them. And those
//! that take in only so many deliveries.

use triphammer_model::{Rate, Timestamp};

use super::{FnId, Queue};
use crate::gates::{Gate, Gates};
use crate::window::Window;

impl Queue {
    /// Nothing of the function runs until then; none opens the gate.
    pub(crate) fn gate(&mut self, id: FnId, gate: Gate, until: Option<Timestamp>) {
        self.change_gates(id, |gates| gates.set(gate, until));
    }

    /// Opens the gates whose time has come.
    pub(super) fn open_by(&mut self, now: Timestamp) {
        while let Some((_, id)) = self.closed.first().copied().filter(|(until, _)| *until <= now) {
            // It is the last of the function's gates.
            self.change_gates(id, |gates| *gates = Gates::default());
        }
    }

    /// What its attempts were before the host started is not known: as many as may be.
    pub(crate) fn use_up_throttle(&mut self, id: FnId, rate: Rate, now: Timestamp) {
        let window = self.function_mut(id).throttle.get_or_insert_with(|| Window::new(rate).into());
        window.use_up(now);
        let until = window.free_at();
        self.gate(id, Gate::Throttle, until);
    }

    /// Counts attempts from now on, or no longer, as the rules say.
    pub(super) fn throttle(&mut self, id: FnId) {
        let function = self.function_mut(id);
        match (function.rules.throttle, &mut function.throttle) {
            (None, None) => return,
            // While it can't run there is nothing to forget: its revision may not be loaded.
            (None, Some(_)) if !function.rules.runnable => return,
            (None, window) => *window = None,
            (Some(rate), Some(window)) => window.set(rate),
            (Some(rate), window) => *window = Some(Window::new(rate).into()),
        }
        let until = function.throttle.as_ref().and_then(|window| window.free_at());
        self.gate(id, Gate::Throttle, until);
    }

    /// An attempt begins.
    pub(super) fn count_start(&mut self, id: FnId, now: Timestamp) {
        let Some(window) = &mut self.function_mut(id).throttle else { return };
        window.take(now);
        let until = window.free_at().filter(|until| *until > now);
        if until.is_some() {
            self.gate(id, Gate::Throttle, until);
        }
    }

    /// Closes the function until its breaker's probe may begin, or opens it, as the rules say.
    pub(super) fn break_off(&mut self, id: FnId) {
        let probe = self.function(id).rules.probe;
        self.gate(id, Gate::Breaker, probe);
    }

    /// Limits deliveries from now on, or no longer, as the rules say.
    pub(super) fn limit(&mut self, id: FnId) {
        let function = self.function_mut(id);
        match (function.rules.rate_limit, &mut function.rate_limit) {
            (None, window) => *window = None,
            (Some(rate), Some(window)) => window.set(rate),
            (Some(rate), window) => *window = Some(Window::new(rate).into()),
        }
    }

    /// A delivery comes in. False when the function has had as many as it may have.
    pub(crate) fn count_accepted(&mut self, id: FnId, at: Timestamp) -> bool {
        let Some(window) = &mut self.function_mut(id).rate_limit else { return true };
        let room = window.has_room(at);
        if room {
            window.take(at);
        }
        room
    }

    fn change_gates(&mut self, id: FnId, change: impl FnOnce(&mut Gates)) {
        let gates = &mut self.function_mut(id).gates;
        let before = gates.until();
        change(gates);
        let after = gates.until();
        if let Some(until) = before {
            self.closed.remove(&(until, id));
        }
        match after {
            Some(until) => drop(self.closed.insert((until, id))),
            None => self.offer(id),
        }
    }
}
