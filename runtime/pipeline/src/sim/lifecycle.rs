//! How a host of a history ends and comes back, and how a history comes to rest.

use triphammer_journal::sim::Faults;

use super::generator::Step;
use super::host::Host;
use super::observed::Observed;
use super::world::{Stepped, World};

/// Steps in which a world that is left alone must come to rest.
const REST_MAX: u32 = 20_000;

impl World {
    /// Goes down and comes up again, as often as it takes: the power may go in between.
    pub(super) fn restart(&mut self, how: Step) -> Stepped {
        self.go_down(how)?;
        self.pass_time()?;
        let mut faults = Faults::default();
        if self.generator.rng.chance(25) {
            faults.halt_at = Some(self.sim.ops() + 1 + self.generator.rng.below(60));
        }
        self.come_up(faults)?;
        if !self.calm && self.generator.rng.chance(25) {
            // What a start writes comes to the disk in part.
            let halt_at = Some(self.sim.ops() + 1 + self.generator.rng.below(4));
            self.sim.set_faults(Faults { halt_at, ..Faults::default() });
        }
        self.look_around()
    }

    /// Goes down and comes up again in no time, on a disk without faults.
    pub(super) fn restart_at_once(&mut self, how: Step) -> Stepped {
        self.go_down(how)?;
        self.come_up(Faults::default())?;
        self.look_around()
    }

    fn go_down(&mut self, how: Step) -> Stepped {
        self.observe(Observed::Down { clean: how == Step::Stop })?;
        if how == Step::Kill {
            self.sim.kill()
        } else {
            self.sim.crash()
        }
        Ok(())
    }

    fn come_up(&mut self, mut faults: Faults) -> Stepped {
        self.sim.set_faults(faults);
        self.host = loop {
            match Host::open(&self.sim, &self.clock) {
                Ok(host) => break host,
                Err(_) if faults.halt_at.is_some() => {
                    faults = Faults::default();
                    self.sim.crash();
                    self.sim.set_faults(faults);
                }
                Err(error) => return Err(format!("the host does not start: {error:?}")),
            }
        };
        self.sim.set_faults(Faults::default());
        Ok(())
    }

    /// What can be seen after a start.
    fn look_around(&mut self) -> Stepped {
        let last = self.host.core.durable.position();
        self.observe(Observed::Up { last, unclean: self.host.was_unclean() })?;
        self.observe(Observed::Kept(self.host.oldest()))?;
        self.look()?;
        self.look_at_state()
    }

    /// The host is down for a moment, or for minutes.
    fn pass_time(&mut self) -> Stepped {
        let ms = match self.generator.rng.below(10) {
            0..5 => return Ok(()),
            5..8 => self.generator.rng.below(2000),
            _ => self.generator.rng.below(4 * 60_000),
        };
        self.advance(self.clock.now().0 + ms)
    }

    /// As the engine stops: no new leases, running attempts, the last checkpoint, the log.
    pub(super) fn stop(&mut self) -> Stepped {
        if self.host.failed {
            return self.restart(Step::Crash);
        }
        self.host.core.stop();
        while self.generator.rng.chance(80) && self.end()? {}
        let how = self.shut_down()?;
        self.restart(how)
    }

    /// Everything comes to the disk, and nothing more; whether it does.
    pub(super) fn shut_down(&mut self) -> Result<Step, String> {
        self.host.core.stop();
        while self.write()? {}
        self.checkpoint()?;
        if !self.host.failed {
            self.host.writer.close();
            self.look_at_journal()?;
        }
        Ok(if self.host.failed { Step::Crash } else { Step::Stop })
    }

    /// No more faults: everything that waits comes to its end, or the world does not rest.
    pub(super) fn rest(&mut self) -> Stepped {
        self.sim.set_faults(Faults::default());
        self.calm = true;
        if self.host.failed || self.generator.rng.chance(30) {
            self.restart(Step::Crash)?;
        }
        self.resume_all()?;
        let mut steps = 0;
        loop {
            steps += 1;
            if steps > REST_MAX {
                return Err("the world does not come to rest".into());
            }
            let busy = self.work()? || self.end()? || self.write()? || self.host.timers();
            let busy = busy || self.host.replay();
            self.look()?;
            if busy {
                continue;
            }
            let next = self.host.look.into_iter().chain(self.host.replay_due()).min();
            match next {
                Some(next) if !self.checker.only_firings_sleep(next) => self.advance(next.0)?,
                _ => break,
            }
        }
        self.look_at_state()?;
        self.observe(Observed::Quiet)
    }
}
