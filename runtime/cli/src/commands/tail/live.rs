//! The view's connections: the feed, and the stories that are asked for. Decides nothing.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use triphammer_model::Seq;

use super::Args;
use super::picture;
use super::state::State;
use crate::client::Client;
use crate::commands::event;
use crate::commands::feed::{self, Happened, Told};
use crate::error::{Error, chain};
use crate::screen::{self, Change, View};

/// How long items are taken in between two pictures. What is more waits, and where too much waits the
/// host leaves some out: keys are heard however much happens.
const TAKE_MAX: Duration = Duration::from_millis(40);
/// Over which the rate is counted.
const RATE_WINDOW: Duration = Duration::from_secs(1);

pub(super) fn run(args: &Args, client: &Client) -> Result<(), Error> {
    let path = feed::path(args.ty.as_deref(), args.function.as_deref());
    // The first connection must succeed, so that what is wrong with it is said outside the view.
    let told = feed::follow_aside(client.another()?, path)?;
    let mut title = client.base().to_string();
    for (name, value) in [("type", &args.ty), ("function", &args.function)] {
        title.extend(value.iter().map(|value| format!(" · {name} {value}")));
    }
    let stories = Stories::start(client.another()?);
    let began = Instant::now();
    screen::show(&mut Live { state: State::new(title), told, stories, began, counted: 0 })
}

struct Live {
    state: State,
    told: Receiver<Result<Told, Error>>,
    stories: Stories,
    /// Of the window in which the rate is counted.
    began: Instant,
    counted: u64,
}

impl View for Live {
    fn draw(&mut self, frame: &mut Frame<'_>) {
        picture::draw(&mut self.state, frame);
    }

    fn key(&mut self, key: KeyEvent) -> Change {
        let change = self.state.key(key.code);
        if let Some(seq) = self.state.wanted_story() {
            self.stories.ask(seq);
        }
        change
    }

    fn take_in(&mut self) -> Result<Change, Error> {
        let mut change = Change::Nothing;
        let began = Instant::now();
        while began.elapsed() < TAKE_MAX {
            match self.told.try_recv() {
                Ok(told) => change = change.and(self.tell(told?)?),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(Change::End),
            }
        }
        while let Ok((seq, story)) = self.stories.answers.try_recv() {
            change = change.and(self.state.show_story(seq, story));
        }
        let elapsed = self.began.elapsed();
        if elapsed >= RATE_WINDOW {
            let per_second = std::mem::take(&mut self.counted) as f64 / elapsed.as_secs_f64();
            self.began = Instant::now();
            change = change.and(self.state.set_rate(per_second.round() as u64));
        }
        Ok(change)
    }
}

impl Live {
    fn tell(&mut self, told: Told) -> Result<Change, Error> {
        match told {
            Told::Item(item) => {
                let happened = Happened::read(&item)?;
                self.counted += u64::from(happened.kind == "accepted");
                self.state.take(&happened);
            }
            Told::Lost => self.state.set_lost(true),
            Told::Back | Told::Watching => self.state.set_lost(false),
        }
        Ok(Change::Picture)
    }
}

/// Reads stories on a thread of its own, so that a slow host does not stop the view.
struct Stories {
    wanted: SyncSender<Seq>,
    answers: Receiver<(Seq, Result<String, String>)>,
}

impl Stories {
    fn start(client: Client) -> Self {
        let (wanted, asked) = sync_channel::<Seq>(1);
        let (answer, answers) = sync_channel(1);
        std::thread::spawn(move || {
            while let Ok(seq) = asked.recv() {
                let story = event::drawn(&client, &seq.to_string()).map_err(|e| chain(&e));
                if answer.send((seq, story)).is_err() {
                    return;
                }
            }
        });
        Self { wanted, answers }
    }

    /// While one is read another waits; a third is not read, and Enter can be pressed again.
    fn ask(&self, seq: Seq) {
        // As above.
        let _ = self.wanted.try_send(seq);
    }
}
