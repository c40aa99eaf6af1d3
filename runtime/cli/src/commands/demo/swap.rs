//! Step: a new revision goes active while events are in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::senders::{ask_all, send_during};
use super::stage::Stage;
use crate::client::types::{DeliveryStory, Receipt};
use crate::commands::event;
use crate::error::Error;
use crate::output::{count, elapsed_ms};

const PER_SECOND: f64 = 3_000.0;
const BEFORE: Duration = Duration::from_millis(1_500);
const AFTER: Duration = Duration::from_millis(1_500);
const DEVICES: u64 = 200;
/// Limits of the first revision, which is the default, and of the second. The averages are about
/// 50: no alarm under the one, an alarm for each device under the other.
const LIMITS: [f64; 2] = [80.0, 30.0];

/// What the host says of one reading.
struct Handled {
    revision: String,
    /// Attempts that committed: must be one.
    commits: usize,
    /// The reply has the setting of the revision that made it.
    own_setting: bool,
}

/// Returns the revision that is active afterwards.
pub(super) fn run(stage: &mut Stage<'_>) -> Result<String, Error> {
    let first = stage.active("devices")?.unwrap_or_default();
    let base = stage.client.base().clone();
    let (sent, swapped) = stage.wait("sending readings, swapping their function", |stage| {
        send_during(&base, PER_SECOND, reading, |_| {
            sleep(BEFORE);
            let began = Instant::now();
            let second = stage.deploy("devices", &[("limit", "30")]);
            let took = began.elapsed();
            sleep(AFTER);
            second.map(|second| (second, took))
        })
    })?;
    let (second, took) = swapped?;
    stage.settled(&["devices"])?;
    let total = sent.receipts.len();
    stage.step(format_args!(
        "hot swap: devices {first} → {second} ({}) under {} events/s",
        elapsed_ms(took),
        count(PER_SECOND as u64)
    ))?;

    let handled = stage.wait("asking what became of each reading", |_| {
        ask_all(&base, &sent.receipts, |client, (_, receipt)| {
            let (_, story) = event::story(client, &receipt.seq)?;
            Ok(story.deliveries.iter().map(|story| handled(story, [&first, &second])).collect())
        })
    })?;
    verify(stage, &sent.receipts, handled)?;
    let alarms = stage.events("device.alarm")?;
    let alarmed: BTreeSet<_> = alarms.iter().filter_map(|alarm| alarm.subject.as_ref()).collect();
    stage.check(
        alarms.len() as u64 == DEVICES && alarmed.len() as u64 == DEVICES,
        format_args!(
            "the new limit raised {} alarms, one for each device",
            count(alarms.len() as u64)
        ),
    )?;
    stage.check(
        sent.unanswered.is_empty() && total > 0,
        format_args!("each of the {} events was accepted at the first try", count(total as u64)),
    )?;
    Ok(second)
}

fn reading(number: u64) -> serde_json::Value {
    json!({
        "specversion": "1.0", "id": format!("reading-{number}"), "source": "/demo",
        "type": "device.reading", "subject": format!("device-{}", number % DEVICES),
        "data": {"value": 40 + number % 21},
    })
}

fn handled(story: &DeliveryStory, revisions: [&str; 2]) -> Handled {
    let commits: Vec<_> =
        story.history.iter().filter(|attempt| attempt.outcome == "committed").collect();
    let revision = commits.first().map(|attempt| attempt.revision.clone()).unwrap_or_default();
    let reply = commits.first().and_then(|attempt| attempt.reply.as_ref()?.data.as_ref());
    let limit = reply.and_then(|data| data["limit"].as_f64());
    let own = revisions.iter().position(|name| **name == revision).map(|index| LIMITS[index]);
    let is_settled = story.delivery.status == "committed";
    Handled {
        commits: if is_settled { commits.len() } else { 0 },
        own_setting: limit.is_some() && limit == own,
        revision,
    }
}

fn verify(
    stage: &mut Stage<'_>,
    receipts: &[(u64, Receipt)],
    handled: Vec<Vec<Handled>>,
) -> Result<(), Error> {
    let events = receipts.len();
    let distinct: BTreeSet<_> = receipts.iter().map(|(_, receipt)| &receipt.seq).collect();
    let once = handled
        .iter()
        .filter(|deliveries| matches!(deliveries.as_slice(), [only] if only.commits == 1))
        .count();
    let mut by_revision = BTreeMap::<String, u64>::new();
    for only in handled.iter().flatten() {
        *by_revision.entry(only.revision.clone()).or_default() += 1;
    }
    let shares: Vec<_> =
        by_revision.iter().map(|(name, share)| format!("{} by {name}", count(*share))).collect();
    stage.check(
        once == events && distinct.len() == events && by_revision.len() == 2,
        format_args!(
            "{} of {} events committed exactly once, by exactly one revision: {}",
            count(once as u64),
            count(events as u64),
            shares.join(", ")
        ),
    )?;
    let own = handled.iter().flatten().filter(|only| only.own_setting).count();
    stage.check(own == events, "each answer was made with the settings of its own revision")
}
