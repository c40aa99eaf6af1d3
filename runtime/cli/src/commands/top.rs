//! `trip top`: what the host is doing now, as a view on a terminal, as one table elsewhere.

mod overview;
mod picture;
mod state;

use std::sync::mpsc::{Receiver, TryRecvError};

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;

use self::overview::Overview;
use self::state::State;
use super::API;
use super::feed::{self, Told};
use crate::client::{self, Client, Path};
use crate::error::Error;
use crate::output::{Output, Table};
use crate::screen::{self, Change, View};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print how things are now, as into a pipe
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API).segment("stats");
    if screen::is_there() && !output.is_json() && !args.once {
        let told = feed::follow_aside(client.another()?, path.segment("stream"))?;
        let state = State::new(client.base().to_string());
        return screen::show(&mut Live { state, told });
    }
    let answer = client.get(path.segment("overview"))?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    output.text(&text(&answer.json()?))
}

/// The host in lines, then its functions.
fn text(overview: &Overview) -> String {
    let mut text = String::new();
    for line in overview.lines() {
        text.push_str(&line.join("  "));
        text.push('\n');
    }
    if overview.functions.is_empty() {
        return text;
    }
    let mut table = Table::new(overview::HEADINGS);
    for function in &overview.functions {
        table.row(function.cells().map(Into::into));
    }
    text.push('\n');
    text.push_str(&table.render());
    if overview.functions_left_out > 0 {
        text.push_str(&format!("and {} more with less to do\n", overview.functions_left_out));
    }
    text
}

struct Live {
    state: State,
    told: Receiver<Result<Told, Error>>,
}

impl View for Live {
    fn draw(&mut self, frame: &mut Frame<'_>) {
        picture::draw(&mut self.state, frame);
    }

    fn key(&mut self, key: KeyEvent) -> Change {
        self.state.key(key.code)
    }

    fn take_in(&mut self) -> Result<Change, Error> {
        let mut change = Change::Nothing;
        loop {
            match self.told.try_recv() {
                Ok(told) => change = change.and(self.tell(told?)?),
                Err(TryRecvError::Empty) => return Ok(change),
                Err(TryRecvError::Disconnected) => return Ok(Change::End),
            }
        }
    }
}

impl Live {
    fn tell(&mut self, told: Told) -> Result<Change, Error> {
        Ok(match told {
            Told::Item(item) if item.event == "stats" => {
                let overview = serde_json::from_str(&item.data).map_err(client::Error::Shape)?;
                self.state.take(overview)
            }
            // Other kinds may be added to the stream.
            Told::Item(_) => Change::Nothing,
            Told::Lost => self.state.set_lost(true),
            Told::Back | Told::Watching => self.state.set_lost(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_is_lines_and_a_table() {
        let text = text(&overview::testing::overview());
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "\
in 1,200/s  committed 1,150/s  retried 3.5/s  dead 0.2/s
queue 40 ready  2 running  10 waiting  5 blocked  7 dead letters  lag 1.5 s
latency p50 2.00 ms p99 40.0 ms  handling p50 0.40 ms p99 3.00 ms  sync p50 - p99 -  disk 31.2 GB free

FUNCTION  ACTIVE  COMMIT/S  RETRY/S  DEAD/S  READY  RUN  WAIT  BLOCK  DEAD  P50      P99      HANDLING
orders    r2      1,100     3.5      0.2     40     2    10    5      7     2.00 ms  40.0 ms  0.50 ms
mail      paused  0         0        0       0      0    0     0      0     -        -        -
and 3 more with less to do
"
        );
    }
}
