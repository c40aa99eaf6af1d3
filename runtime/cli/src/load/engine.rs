//! Drives the connections from one thread, as fast as they go or at a given rate.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::connection::{Connection, Step};
use super::histogram::Histogram;
use super::request::Template;
use super::response::Response;
use super::{Error, error::Refusal};
use crate::client::Tls;

/// What to send, where, and how much of it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) template: Template,
    /// Name or address with the port.
    pub(crate) address: String,
    /// None for plain HTTP.
    pub(crate) tls: Option<Tls>,
    pub(crate) connections: usize,
    pub(crate) goal: Goal,
    pub(crate) pace: Pace,
}

/// When it is enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// So many events accepted.
    Events(u64),
    Time(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection sends when it has been answered.
    Closed,
    /// So many events a second, whether or not the host keeps up.
    Rate(f64),
}

/// What can be watched, and stopped, from another thread.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) accepted: AtomicU64,
    pub(crate) stop: AtomicBool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Events answered with a 2xx.
    pub(crate) accepted: u64,
    /// Of those that asked to wait: answered before they were settled.
    pub(crate) unsettled: u64,
    pub(crate) requests: u64,
    /// Requests by their status, where it was not a 2xx.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Connections that broke with a request under way, whose events may be in or not.
    pub(crate) broken: u64,
    /// Of requests that were answered with a 2xx.
    pub(crate) latency: Histogram,
    /// To the last answer.
    pub(crate) elapsed: Duration,
}

/// The longest time between two looks at the clock and at [`Progress::stop`].
const TURN_MAX: Duration = Duration::from_millis(100);
/// After the goal is reached, what is under way may take so long.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// A pause that a busy host asks for is not longer than this.
const PAUSE_MAX_S: u64 = 5;

pub(crate) fn run(plan: &Plan, progress: &Progress) -> Result<Outcome, Error> {
    let mut engine = Engine::new(plan, progress)?;
    let mut events = Events::with_capacity(plan.connections);
    loop {
        engine.dispatch()?;
        if engine.is_done() {
            return Ok(engine.outcome);
        }
        match engine.poll.poll(&mut events, Some(engine.turn())) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(Error::Poll(error)),
            _ => {}
        }
        for event in &events {
            engine.ready(event.token().0, event.is_writable())?;
        }
    }
}

struct Engine<'a> {
    plan: &'a Plan,
    progress: &'a Progress,
    address: SocketAddr,
    poll: Poll,
    connections: Vec<Connection>,
    /// Free connections, longest free first.
    idle: VecDeque<usize>,
    /// Connections that a busy host told to come again later.
    paused: Vec<(Instant, usize)>,
    began: Instant,
    /// Numbers given to events so far.
    numbered: u64,
    /// Requests begun so far.
    started: u64,
    in_flight: u64,
    outcome: Outcome,
}

impl<'a> Engine<'a> {
    fn new(plan: &'a Plan, progress: &'a Progress) -> Result<Self, Error> {
        let unknown = || Error::Address(plan.address.clone());
        let address = plan.address.to_socket_addrs().map_err(|_| unknown())?.next();
        let address = address.ok_or_else(unknown)?;
        let poll = Poll::new().map_err(Error::Poll)?;
        let request = plan.template.request()?;
        let connect = |index| {
            let mut connection = Connection::new(request.clone(), address, plan.tls.as_ref())?;
            connection.register(poll.registry(), Token(index))?;
            Ok(connection)
        };
        let connections: io::Result<Vec<_>> = (0..plan.connections).map(connect).collect();
        let connections =
            connections.map_err(|cause| Error::Connect { address: plan.address.clone(), cause })?;
        Ok(Self {
            plan,
            progress,
            address,
            poll,
            idle: (0..connections.len()).collect(),
            connections,
            paused: Vec::new(),
            began: Instant::now(),
            numbered: 0,
            started: 0,
            in_flight: 0,
            outcome: Outcome::default(),
        })
    }

    /// Begins requests on free connections, as many as the plan wants now.
    fn dispatch(&mut self) -> Result<(), Error> {
        self.wake();
        while let Some(&index) = self.idle.front() {
            let now = Instant::now();
            let Some(began) = self.next_start(index, now) else { return Ok(()) };
            self.idle.pop_front();
            let connection = &mut self.connections[index];
            let events = connection.events();
            let sent = connection.start(self.numbered, began);
            self.numbered += events;
            self.started += 1;
            self.in_flight += 1;
            if sent.is_err() {
                self.broke(index)?;
            }
        }
        Ok(())
    }

    /// When the next request counts as begun, if it is to begin now.
    ///
    /// At a rate it begins at its own time: what it waits for a free connection is latency. What
    /// this thread is late by, with connections free, is not the host's doing.
    fn next_start(&self, index: usize, now: Instant) -> Option<Instant> {
        if !self.wants_more(now) {
            return None;
        }
        let Pace::Rate(rate) = self.plan.pace else { return Some(now) };
        let due = self.due(rate);
        (due <= now).then(|| if self.connections[index].idle_since <= due { now } else { due })
    }

    fn due(&self, rate: f64) -> Instant {
        let events = self.connections.first().map_or(1, Connection::events);
        self.began + Duration::from_secs_f64((self.started * events) as f64 / rate)
    }

    fn wants_more(&self, now: Instant) -> bool {
        if self.progress.stop.load(Ordering::Relaxed) {
            return false;
        }
        match self.plan.goal {
            Goal::Time(time) => now < self.began + time,
            Goal::Events(events) => {
                let each = self.connections.first().map_or(1, Connection::events);
                self.outcome.accepted + self.in_flight * each < events
            }
        }
    }

    fn is_done(&self) -> bool {
        let now = Instant::now();
        if self.in_flight == 0 {
            return !self.wants_more(now);
        }
        matches!(self.plan.goal, Goal::Time(time) if now > self.began + time + DRAIN_MAX)
    }

    /// How long to wait for the connections.
    fn turn(&self) -> Duration {
        let now = Instant::now();
        let mut until = now + TURN_MAX;
        if let (Pace::Rate(rate), false) = (self.plan.pace, self.idle.is_empty()) {
            until = until.min(self.due(rate));
        }
        if let Some(pause) = self.paused.iter().map(|(until, _)| *until).min() {
            until = until.min(pause);
        }
        until.saturating_duration_since(now)
    }

    fn wake(&mut self) {
        if self.paused.is_empty() {
            return;
        }
        let now = Instant::now();
        let idle = &mut self.idle;
        self.paused.retain(|(until, index)| {
            let waits = *until > now;
            if !waits {
                idle.push_back(*index);
            }
            waits
        });
    }

    fn ready(&mut self, index: usize, is_writable: bool) -> Result<(), Error> {
        let connection = &mut self.connections[index];
        if connection.began.is_none() {
            // Writable after connecting, or closed while nothing was asked: the next write tells.
            return Ok(());
        }
        if connection.may_write(is_writable) && connection.flush().is_err() {
            return self.broke(index);
        }
        match connection.read()? {
            Step::Pending => Ok(()),
            Step::Closed => self.broke(index),
            Step::Answered(response) => self.answered(index, response),
        }
    }

    fn answered(&mut self, index: usize, response: Response) -> Result<(), Error> {
        let now = Instant::now();
        let connection = &mut self.connections[index];
        let began = connection.began.take().unwrap_or(now);
        connection.idle_since = now;
        self.in_flight -= 1;
        self.outcome.requests += 1;
        self.outcome.elapsed = now - self.began;
        match response.status {
            200..300 => self.accepted(index, &response, now - began),
            429 | 500.. => self.refused(index, &response, now),
            _ => return Err(Refusal::read(&response, connection.body(&response)).into()),
        }
        if response.closes {
            return self.replace(index);
        }
        Ok(())
    }

    fn accepted(&mut self, index: usize, response: &Response, latency: Duration) {
        let events = self.connections[index].events();
        self.outcome.accepted += events;
        if self.plan.template.wait_s.is_some() && response.status != 200 {
            self.outcome.unsettled += events;
        }
        self.outcome.latency.record(latency);
        self.progress.accepted.store(self.outcome.accepted, Ordering::Relaxed);
        self.idle.push_back(index);
    }

    /// The host is busy: this connection comes again when it says.
    fn refused(&mut self, index: usize, response: &Response, now: Instant) {
        *self.outcome.refused.entry(response.status).or_default() += 1;
        let pause_s = response.retry_after_s.unwrap_or(1).min(PAUSE_MAX_S);
        self.paused.push((now + Duration::from_secs(pause_s), index));
    }

    fn broke(&mut self, index: usize) -> Result<(), Error> {
        self.in_flight -= 1;
        self.outcome.broken += 1;
        self.replace(index)?;
        self.idle.push_back(index);
        Ok(())
    }

    fn replace(&mut self, index: usize) -> Result<(), Error> {
        let gone = |_| Error::HostGone { lost: self.outcome.broken };
        let connection = &mut self.connections[index];
        connection.reconnect(self.address, self.plan.tls.as_ref()).map_err(gone)?;
        connection.register(self.poll.registry(), Token(index)).map_err(Error::Poll)
    }
}

#[cfg(test)]
mod tests;
