//! `trip send TYPE`: events in, receipts out.

use std::time::Duration;

use serde_json::{Value, json};

use super::outgoing::{self, Outgoing, Payload};
use super::show;
use crate::client::types::{DeliveryResult, Receipt, Receipts};
use crate::client::{Client, Request};
use crate::clock;
use crate::error::Error;
use crate::output::{BAD, DIM, GOOD, NOTE, Output, bar, count, one_line, paint};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The event's type, such as order.placed
    #[arg(value_name = "TYPE")]
    ty: String,
    /// The payload: JSON, @FILE, or - for standard input
    #[arg(long, short, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,
    /// The payload's media type
    #[arg(long, default_value = "application/json", value_name = "TYPE")]
    content_type: String,
    /// Where the event comes from
    #[arg(long, default_value = "/trip")]
    source: String,
    /// What the event is about; the ordering key of most functions
    #[arg(long, short)]
    subject: Option<String>,
    /// The event's id, instead of one that nobody else has
    #[arg(long)]
    id: Option<String>,
    /// An extension attribute
    #[arg(long = "ext", value_name = "NAME=VALUE", value_parser = outgoing::pair)]
    extensions: Vec<(String, String)>,
    /// Handle it no sooner than so long after it is accepted: 90s, 10m, 2d
    #[arg(long, value_name = "DURATION", value_parser = delay)]
    delay: Option<String>,
    /// Handle it no sooner than this time, in RFC 3339: 2026-12-24T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    not_before: Option<String>,
    /// Wait until the events are settled, so many seconds at most, and show the results
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: Option<u64>,
    /// How many events to send; their ids get a number
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    count: u64,
}

/// Events in one request.
const BATCH: u64 = 100;
/// More receipts than this are summed up.
const SHOWN_MAX: u64 = 20;

/// What came of all the requests.
#[derive(Default)]
struct Sums {
    sent: u64,
    duplicates: u64,
    dead: u64,
    unsettled: u64,
    first_seq: Option<String>,
    last_seq: String,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let event = event(&args)?;
    let mut sums = Sums::default();
    let mut all: Vec<Value> = Vec::new();
    let progress = (args.count > BATCH).then(|| bar(args.count, "events sent"));
    for first in (1..=args.count).step_by(BATCH as usize) {
        let last = (first + BATCH - 1).min(args.count);
        let events: Vec<_> = (first..=last).map(|number| numbered(&event, number, &args)).collect();
        let (settled, answer) = send(client, &events, args.wait)?;
        if output.is_json() {
            all.extend(answer["events"].as_array().into_iter().flatten().cloned());
        }
        let receipts = serde_json::from_value(answer).map_err(crate::client::Error::Shape);
        let receipts: Receipts = receipts?;
        for receipt in &receipts.events {
            sums.add(receipt, settled);
            if !output.is_json() && args.count <= SHOWN_MAX {
                output.text(&shown(receipt))?;
            }
        }
        if let Some(progress) = &progress {
            progress.set_position(last);
        }
    }
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    if output.is_json() {
        output.json(&json!({"events": all}))?;
    } else if args.count > SHOWN_MAX {
        output.line(sums.text())?;
    }
    sums.verdict(args.wait)
}

fn event(args: &Args) -> Result<Outgoing, Error> {
    let payload = args.data.as_deref().map(|data| Payload::read(data, &args.content_type));
    let pairs = args.extensions.iter().map(|(name, value)| (name.as_str(), value));
    let times = [("delay", &args.delay), ("notbefore", &args.not_before)];
    let times = times.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    Ok(Outgoing {
        id: args.id.clone().unwrap_or_else(clock::unique_id),
        source: args.source.clone(),
        ty: args.ty.clone(),
        subject: args.subject.clone(),
        extensions: pairs.chain(times).map(|(name, text)| (name.into(), json!(text))).collect(),
        payload: payload.transpose()?,
        ..Outgoing::default()
    })
}

/// Checked here, so that a slip of the pen is told before anything is sent.
fn delay(text: &str) -> Result<String, String> {
    let checked = triphammer_model::parse_duration(text).map_err(|error| error.to_string());
    checked.map(|_| text.to_owned())
}

fn time(text: &str) -> Result<String, String> {
    let time = triphammer_model::Timestamp::parse_rfc3339(text);
    time.map(|_| text.to_owned()).ok_or_else(|| "write it as 2026-12-24T18:00:00Z".to_owned())
}

fn numbered(event: &Outgoing, number: u64, args: &Args) -> Outgoing {
    let mut event = event.clone();
    if args.count > 1 {
        event.id = format!("{}-{number}", event.id);
    }
    event
}

/// Whether they are settled, and the answer.
fn send(client: &Client, events: &[Outgoing], wait: Option<u64>) -> Result<(bool, Value), Error> {
    // Strings, numbers and checked JSON: this can't fail.
    let (content_type, body) = match events {
        [event] => ("application/cloudevents+json", serde_json::to_vec(event)),
        events => ("application/cloudevents-batch+json", serde_json::to_vec(events)),
    };
    let body =
        body.map_err(|error| Error::Usage(format!("the event can't be written: {error}")))?;
    let mut request = Request::post("/events").body(content_type, body);
    if let Some(wait) = wait {
        request = request
            .header("prefer", format!("wait={wait}"))
            .timeout(Duration::from_secs(wait.saturating_add(30)));
    }
    let answer = client.send(request)?;
    Ok((answer.status == 200, answer.value()?))
}

fn shown(receipt: &Receipt) -> String {
    let to = match (receipt.duplicate, receipt.functions.as_slice()) {
        (true, _) if receipt.differs => paint(NOTE, "duplicate, and its payload was another"),
        (true, _) => paint(NOTE, "duplicate"),
        (false, []) => paint(DIM, "kept; no function subscribes to it"),
        (false, functions) => format!("→ {}", functions.join(", ")),
    };
    let id = paint(DIM, one_line(&receipt.id));
    let mut text = format!("{} {id} {to}\n", paint(GOOD, format_args!("#{}", receipt.seq)));
    match &receipt.results {
        Some(results) => {
            for result in results {
                text.push_str(&format!("  {}\n", settled(result)));
            }
        }
        None => {
            for dead in &receipt.dead {
                let error = show::failure(&dead.error);
                text.push_str(&format!("  {} {} {error}\n", dead.function, paint(BAD, "dead")));
            }
        }
    }
    text
}

fn settled(result: &DeliveryResult) -> String {
    let revision = result.revision.as_deref().unwrap_or("-");
    let mut text = format!("{} {revision} {}", result.function, show::status(&result.status));
    if result.attempts > 1 {
        text.push_str(&format!(" after {} attempts", result.attempts));
    }
    if let Some(error) = &result.error {
        text.push_str(&format!(" {}", show::failure(error)));
    }
    if let Some(reply) = &result.reply {
        text.push_str(&format!(" {} {}", paint(DIM, "reply"), show::reply(reply)));
    }
    text
}

impl Sums {
    fn add(&mut self, receipt: &Receipt, settled: bool) {
        self.sent += 1;
        self.duplicates += u64::from(receipt.duplicate);
        let dead = |result: &&DeliveryResult| result.status == "dead";
        self.dead += match &receipt.results {
            Some(results) => results.iter().filter(dead).count() as u64,
            None => receipt.dead.len() as u64,
        };
        self.unsettled += u64::from(!settled);
        self.first_seq.get_or_insert_with(|| receipt.seq.clone());
        receipt.seq.clone_into(&mut self.last_seq);
    }

    fn text(&self) -> String {
        let first = self.first_seq.as_deref().unwrap_or_default();
        format!(
            "{} events accepted, #{first} to #{} · {} duplicates · {} dead letters",
            count(self.sent),
            self.last_seq,
            count(self.duplicates),
            count(self.dead)
        )
    }

    /// Who waits for results wants to know whether they are good.
    fn verdict(&self, wait: Option<u64>) -> Result<(), Error> {
        let Some(wait) = wait else { return Ok(()) };
        if self.unsettled > 0 {
            let Self { unsettled, last_seq, .. } = self;
            return Err(Error::Failed(format!(
                "{unsettled} accepted but not settled within {wait} s: see `trip event {last_seq}`"
            )));
        }
        match self.dead {
            0 => Ok(()),
            1 => Err(Error::Failed("it became a dead letter: see `trip dead`".into())),
            dead => Err(Error::Failed(format!("{dead} became dead letters: see `trip dead`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(receipt: Value) -> String {
        let text = shown(&serde_json::from_value(receipt).unwrap());
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn receipts_say_where_an_event_goes() {
        let receipt = |more: Value| {
            let mut receipt = json!({"id": "a", "source": "/s", "seq": "42", "duplicate": false});
            receipt.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            plain(receipt)
        };
        assert_eq!(receipt(json!({"functions": ["f", "g"]})), "#42 a → f, g\n");
        assert_eq!(receipt(json!({"functions": []})), "#42 a kept; no function subscribes to it\n");
        assert_eq!(receipt(json!({"duplicate": true, "functions": []})), "#42 a duplicate\n");
        let dead = json!([{"function": "f", "error": {"code": "route.key_missing", "message": "no subject"}}]);
        assert_eq!(
            receipt(json!({"functions": ["f"], "dead": dead})),
            "#42 a → f\n  f dead route.key_missing no subject\n"
        );
        let results = json!([{"function": "f", "revision": "r3", "status": "committed", "attempts": 2,
            "reply": {"contentType": "application/json", "data": {"a": 1}}}]);
        assert_eq!(
            receipt(json!({"functions": ["f"], "results": results})),
            "#42 a → f\n  f r3 committed after 2 attempts reply {\"a\":1}\n"
        );
    }

    #[test]
    fn who_waits_is_told_of_failure() {
        let sums = |dead, unsettled| Sums { dead, unsettled, ..Sums::default() };
        assert!(sums(1, 1).verdict(None).is_ok());
        assert!(sums(0, 0).verdict(Some(5)).is_ok());
        assert!(sums(1, 0).verdict(Some(5)).is_err());
        assert!(sums(0, 1).verdict(Some(5)).is_err());
    }
}
