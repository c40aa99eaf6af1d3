//! A replay of past events as the journal has it: what it is to do, how far it is, and how it
//! ended. Knows no history and no clock.
//!
//! Each record of a replay holds all of it, with the events that it makes: where it stopped and
//! what it did can't disagree.

use std::collections::BTreeMap;

use triphammer_model::{ErrorInfo, FunctionName, Seq, Timestamp};

use crate::codec::{Decoder, Encoder};
use crate::codec_parts::{decode_error, encode_error};
use crate::error::CodecError;

#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Counts from 1, and is never used again.
    pub id: u64,
    pub created: Timestamp,
    pub filter: ReplayFilter,
    /// The only one that gets the events; whoever asks for them when none.
    pub function: Option<FunctionName>,
    /// Events a second, at the most.
    pub rate: u32,
    /// Everything below has been looked at.
    pub next: Seq,
    /// Nothing from here on is looked at: it was accepted later than the replay.
    pub end: Seq,
    /// Events that it has made.
    pub done: u64,
    /// Their deliveries.
    pub deliveries: u64,
    pub state: ReplayState,
}

/// Which events: all that are given have to be true.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayFilter {
    /// A pattern.
    pub ty: Option<String>,
    pub source: Option<String>,
    pub subject: Option<String>,
    pub id: Option<String>,
    /// Accepted at this time or later.
    pub after: Option<Timestamp>,
    /// Accepted before this time.
    pub before: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ReplayState {
    Running,
    Done { at: Timestamp },
    Cancelled { at: Timestamp },
    Failed { at: Timestamp, error: ErrorInfo },
}

/// Replays that are kept after their end, the newest ones.
const ENDED_MAX: usize = 100;

type Decoded<T> = Result<T, CodecError>;

impl Replay {
    pub fn is_running(&self) -> bool {
        self.state == ReplayState::Running
    }

    /// Lets go of those that ended long ago. The newest is never among them, so that no number is
    /// used again.
    pub fn trim(replays: &mut BTreeMap<u64, Self>) {
        let ended = replays.values().filter(|replay| !replay.is_running());
        let mut ended: Vec<u64> = ended.map(|replay| replay.id).collect();
        ended.truncate(ended.len().saturating_sub(ENDED_MAX));
        ended.iter().for_each(|id| drop(replays.remove(id)));
    }
}

impl ReplayState {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done { .. } => "done",
            Self::Cancelled { .. } => "cancelled",
            Self::Failed { .. } => "failed",
        }
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Timestamp> {
        match self {
            Self::Running => None,
            Self::Done { at } | Self::Cancelled { at } | Self::Failed { at, .. } => Some(*at),
        }
    }
}

pub(crate) fn encode_replay(e: &mut Encoder, replay: &Replay) {
    e.varint(replay.id);
    e.time(replay.created);
    let ReplayFilter { ty, source, subject, id, after, before } = &replay.filter;
    for text in [ty, source, subject, id] {
        e.option(text.as_ref(), |e, text| e.text(text));
    }
    for time in [after, before] {
        e.option(*time, Encoder::time);
    }
    e.option(replay.function.as_ref(), Encoder::function);
    e.varint(u64::from(replay.rate));
    e.seq(replay.next);
    e.seq(replay.end);
    e.varint(replay.done);
    e.varint(replay.deliveries);
    match &replay.state {
        ReplayState::Running => e.byte(0),
        ReplayState::Done { at } => {
            e.byte(1);
            e.time(*at);
        }
        ReplayState::Cancelled { at } => {
            e.byte(2);
            e.time(*at);
        }
        ReplayState::Failed { at, error } => {
            e.byte(3);
            e.time(*at);
            encode_error(e, error);
        }
    }
}

pub(crate) fn decode_replay(d: &mut Decoder<'_>) -> Decoded<Replay> {
    Ok(Replay {
        id: d.varint()?,
        created: d.time()?,
        filter: ReplayFilter {
            ty: d.option(Decoder::string)?,
            source: d.option(Decoder::string)?,
            subject: d.option(Decoder::string)?,
            id: d.option(Decoder::string)?,
            after: d.option(Decoder::time)?,
            before: d.option(Decoder::time)?,
        },
        function: d.option(Decoder::function)?,
        rate: d.number()?,
        next: d.seq()?,
        end: d.seq()?,
        done: d.varint()?,
        deliveries: d.varint()?,
        state: match d.byte()? {
            0 => ReplayState::Running,
            1 => ReplayState::Done { at: d.time()? },
            2 => ReplayState::Cancelled { at: d.time()? },
            3 => ReplayState::Failed { at: d.time()?, error: decode_error(d)? },
            _ => return d.expected("state of a replay before this"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_that_ended_are_kept_and_all_that_run() {
        let replay = |id: u64| Replay {
            id,
            created: Timestamp(1),
            filter: ReplayFilter::default(),
            function: None,
            rate: 1,
            next: Seq::FIRST,
            end: Seq::FIRST,
            done: 0,
            deliveries: 0,
            state: match id {
                7 => ReplayState::Running,
                _ => ReplayState::Done { at: Timestamp(2) },
            },
        };
        let mut replays: BTreeMap<u64, Replay> = (1..=150).map(|id| (id, replay(id))).collect();
        Replay::trim(&mut replays);
        let ids: Vec<u64> = replays.into_keys().collect();
        assert_eq!(ids.len(), ENDED_MAX + 1);
        assert_eq!((ids[0], ids[1], ids[100]), (7, 51, 150));
    }
}
