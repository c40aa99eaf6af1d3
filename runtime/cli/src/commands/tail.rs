//! `trip tail`: the live feed, as a view on a terminal, as one line for each thing that happens
//! elsewhere.

mod groups;
mod live;
mod picture;
mod state;

use serde_json::Value;

use super::feed::{self, Happened, Told};
use super::show;
use crate::client::{Client, Item};
use crate::error::Error;
use crate::output::{
    DIM, GOOD, NAME, NOTE, Output, count, millis, note, one_line, paint, short_time,
};
use crate::screen;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only events of these types, such as order.*
    #[arg(long = "type", value_name = "PATTERN")]
    ty: Option<String>,
    /// Only what concerns this function
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Print lines on a terminal too, as into a pipe
    #[arg(long)]
    plain: bool,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    if screen::is_there() && !output.is_json() && !args.plain {
        return live::run(&args, client);
    }
    let path = feed::path(args.ty.as_deref(), args.function.as_deref());
    feed::follow(client, &path, |told| {
        match told {
            Told::Watching => note(format_args!("watching {} (Ctrl-C ends)", client.base())),
            Told::Item(item) => print(&item, output)?,
            Told::Lost => note("the feed ended; trying to reach the host again"),
            Told::Back => note("watching again; what happened meanwhile is in `trip events`"),
        }
        Ok(())
    })
}

/// One thing that happened, as a line.
pub(super) fn print(item: &Item, output: &mut Output) -> Result<(), Error> {
    if output.is_json() {
        let value: Value = serde_json::from_str(&item.data).map_err(crate::client::Error::Shape)?;
        return output.json_line(&value);
    }
    output.line(line(&Happened::read(item)?))
}

fn line(item: &Happened) -> String {
    let Happened { kind, seq, function, revision, .. } = item;
    if kind == "lagged" {
        let missed = count(item.missed);
        return paint(NOTE, format_args!("{missed} items were missed: this feed is too slow"));
    }
    let time = paint(DIM, short_time(&item.at));
    let kind_padded = format!("{kind:<9}");
    let rest = match kind.as_str() {
        "accepted" => {
            let subject = item.subject.as_deref().map(one_line).unwrap_or_default();
            let to = match item.functions.as_slice() {
                [] => paint(DIM, "no function"),
                functions => format!("→ {}", functions.join(", ")),
            };
            return format!(
                "{time} {kind_padded} #{seq} {} {subject} {to}",
                paint(NAME, one_line(&item.ty))
            );
        }
        "attempted" => {
            return paint(
                DIM,
                format_args!(
                    "{} {kind_padded} #{seq} {function} {revision} attempt {}",
                    short_time(&item.at),
                    item.attempt
                ),
            );
        }
        "committed" => committed(item),
        "deployed" => {
            let canary = item.canary.as_ref().map_or_else(String::new, |canary| {
                format!(", canary {canary} gets {} %", item.weight)
            });
            return format!("{time} {} {function} {revision}{canary}", paint(GOOD, kind_padded));
        }
        "retried" => format!("{revision} attempt {}, due {}", item.attempt, short_time(&item.due)),
        _ => revision.clone(),
    };
    let error = item.error.as_ref().map(show::failure).unwrap_or_default();
    let line = format!("{time} {} #{seq} {function} {rest} {error}", padded_status(kind));
    line.trim_end().to_owned()
}

fn committed(item: &Happened) -> String {
    let mut text = format!("{} {}", item.revision, millis(item.elapsed_ms));
    if item.attempt > 1 {
        text.push_str(&format!(", attempt {}", item.attempt));
    }
    if !item.emitted.is_empty() {
        text.push_str(&format!(" → #{}", item.emitted.join(" #")));
    }
    text
}

/// Padded outside of the colour, so that the columns stay.
fn padded_status(kind: &str) -> String {
    format!("{}{}", show::status(kind), " ".repeat(9_usize.saturating_sub(kind.len())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(item: Value, expect: &str) {
        let text = line(&serde_json::from_value(item).unwrap());
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), expect);
    }

    #[test]
    fn each_item_is_a_line() {
        let at = "2026-01-02T03:04:05.678Z";
        check(
            json!({"kind": "accepted", "seq": "42", "at": at, "source": "/s", "id": "a",
                "type": "order.placed", "subject": "o-1", "functions": ["orders"]}),
            "03:04:05.678 accepted  #42 order.placed o-1 → orders",
        );
        check(
            json!({"kind": "committed", "id": "42/orders", "seq": "42", "function": "orders", "at": at,
                "revision": "r1", "attempt": 2, "emitted": ["43", "44"], "elapsedMs": 1.25}),
            "03:04:05.678 committed #42 orders r1 1.25 ms, attempt 2 → #43 #44",
        );
        let error = json!({"code": "invoke.trap", "message": "a\nb"});
        check(
            json!({"kind": "retried", "seq": "42", "function": "orders", "at": at, "revision": "r1",
                "attempt": 1, "due": "2026-01-02T03:04:06.000Z", "error": error}),
            "03:04:05.678 retried   #42 orders r1 attempt 1, due 03:04:06.000 invoke.trap a b",
        );
        check(
            json!({"kind": "dead", "seq": "42", "function": "orders", "at": at, "error": error}),
            "03:04:05.678 dead      #42 orders  invoke.trap a b",
        );
        check(
            json!({"kind": "deployed", "function": "orders", "revision": "r2", "at": at}),
            "03:04:05.678 deployed  orders r2",
        );
        check(
            json!({"kind": "deployed", "function": "orders", "revision": "r2", "canary": "r3",
                "weight": 10, "at": at}),
            "03:04:05.678 deployed  orders r2, canary r3 gets 10 %",
        );
        check(
            json!({"kind": "lagged", "missed": 1200}),
            "1,200 items were missed: this feed is too slow",
        );
    }
}
