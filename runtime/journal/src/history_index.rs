//! The index of one sealed segment: an immutable file of columns. Knows nothing of queries.
//!
//! The file is a header of 256 bytes and then one section for each column, one after the other,
//! numbers little-endian. The header: `TRHINDEX`, version `u32`, the segment's generation `u32`,
//! then as `u64`: its first and last number, the count of events and of outcomes, the lowest and
//! highest time of an event, the lowest and highest event with an outcome, the newest time of a
//! record; then for each of the twelve sections its length (`u64`) and its CRC-32C (`u32`); zeros;
//! at the end the header's CRC-32C. A file that is not as its segment is made again from the log:
//! it holds nothing that the log does not.

use std::sync::Arc;

use triphammer_model::Seq;

use crate::disk::{Disk, DiskFile};
use crate::history_columns::{Columns, Outcomes, Types};
use crate::segment_table::SegmentInfo;
use crate::store_error::StoreError;

const MAGIC: &[u8; 8] = b"TRHINDEX";
const VERSION: u32 = 1;
const HEADER: usize = 256;
const CRC_AT: usize = HEADER - 4;
const SECTIONS: usize = 12;
const NUMBERS: usize = 9;
const NUMBERS_AT: usize = 16;
const SECTIONS_AT: usize = NUMBERS_AT + NUMBERS * 8;

/// The sections in their order.
#[derive(Clone, Copy, Debug)]
enum Section {
    Seq,
    Offset,
    Len,
    Time,
    Type,
    Source,
    Subject,
    Id,
    OutcomeEvent,
    OutcomeOffset,
    OutcomeLen,
    /// Texts, each after its length (`u32`); missing when there were too many: one `u32::MAX`.
    Types,
}

#[derive(Debug)]
pub(crate) struct SegmentIndex {
    pub(crate) summary: Summary,
    pub(crate) types: Types,
    file: Arc<dyn DiskFile>,
    sections: [(u64, u32); SECTIONS],
}

/// What is known of a segment without reading its columns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Summary {
    pub(crate) generation: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) events: u64,
    pub(crate) outcomes: u64,
    pub(crate) time_first: u64,
    pub(crate) time_last: u64,
    pub(crate) outcome_first: u64,
    pub(crate) outcome_last: u64,
    /// The newest time of a record of any kind.
    pub(crate) at_last: u64,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

pub(crate) fn index_name(generation: u32) -> String {
    format!("{generation:010}.idx")
}

/// The generation in a name that [`index_name`] made.
pub(crate) fn parse_index_name(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".idx").filter(|digits| digits.len() == 10)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

impl Summary {
    pub(crate) fn of(
        info: &SegmentInfo,
        columns: &Columns,
        outcomes: &Outcomes,
        at_last: u64,
    ) -> Self {
        let range = |column: &[u64]| {
            let least = column.iter().min().copied().unwrap_or(u64::MAX);
            (least, column.iter().max().copied().unwrap_or(0))
        };
        let (time_first, time_last) = range(&columns.time);
        let (outcome_first, outcome_last) = range(&outcomes.event);
        Self {
            generation: info.generation,
            first: info.first.get(),
            last: info.last.map_or(0, Seq::get),
            events: columns.seq.len() as u64,
            outcomes: outcomes.event.len() as u64,
            time_first,
            time_last,
            outcome_first,
            outcome_last,
            at_last,
        }
    }

    /// A segment that was cut short by a recovery has another last number.
    fn is_of(&self, info: &SegmentInfo) -> bool {
        self.generation == info.generation
            && self.first == info.first.get()
            && self.last == info.last.map_or(0, Seq::get)
    }

    fn numbers(&self) -> [u64; NUMBERS] {
        [
            self.first,
            self.last,
            self.events,
            self.outcomes,
            self.time_first,
            self.time_last,
            self.outcome_first,
            self.outcome_last,
            self.at_last,
        ]
    }
}

impl SegmentIndex {
    /// Writes and syncs the file. `outcomes` are sorted.
    pub(crate) fn write(
        disk: &dyn Disk,
        summary: Summary,
        columns: &Columns,
        outcomes: &Outcomes,
        types: Types,
    ) -> Result<Self> {
        let name = index_name(summary.generation);
        let path = disk.path(&name);
        let io = || StoreError::io(path.clone());
        let parts: [Vec<u8>; SECTIONS] = [
            wide(&columns.seq),
            narrow(&columns.offset),
            narrow(&columns.len),
            wide(&columns.time),
            narrow(&columns.ty),
            narrow(&columns.source),
            narrow(&columns.subject),
            narrow(&columns.id),
            wide(&outcomes.event),
            narrow(&outcomes.offset),
            narrow(&outcomes.len),
            texts(&types),
        ];
        let sections = parts.each_ref().map(|part| (part.len() as u64, crc32c::crc32c(part)));
        let file = disk.open_or_create(&name).map_err(io())?;
        file.set_len(0).map_err(io())?;
        file.write_at(0, &header(&summary, &sections)).map_err(io())?;
        let mut at = HEADER as u64;
        for part in parts {
            file.write_at(at, &part).map_err(io())?;
            at += part.len() as u64;
        }
        file.sync_data().map_err(io())?;
        disk.sync_dir().map_err(io())?;
        Ok(Self { summary, types, file, sections })
    }

    /// None when there is no intact index of just this segment.
    pub(crate) fn open(disk: &dyn Disk, info: &SegmentInfo) -> Option<Self> {
        let file = disk.open(&index_name(info.generation)).ok()?;
        let mut bytes = [0; HEADER];
        if file.read_at(0, &mut bytes).ok()? < HEADER {
            return None;
        }
        let (summary, sections) = parse_header(&bytes)?;
        let total: u64 = sections.iter().map(|(len, _)| *len).sum();
        if !summary.is_of(info) || file.len().ok()? != HEADER as u64 + total {
            return None;
        }
        let mut index = Self { summary, types: Types::default(), file, sections };
        index.types = parse_texts(&index.section(Section::Types).ok()?)?;
        Some(index)
    }

    /// The columns of the events.
    pub(crate) fn columns(&self) -> Result<Columns> {
        Ok(Columns {
            seq: self.wide(Section::Seq)?,
            offset: self.narrow(Section::Offset)?,
            len: self.narrow(Section::Len)?,
            time: self.wide(Section::Time)?,
            ty: self.narrow(Section::Type)?,
            source: self.narrow(Section::Source)?,
            subject: self.narrow(Section::Subject)?,
            id: self.narrow(Section::Id)?,
        })
    }

    /// Only what [`Columns::find`] needs, and the lengths.
    pub(crate) fn places(&self) -> Result<Columns> {
        Ok(Columns {
            seq: self.wide(Section::Seq)?,
            offset: self.narrow(Section::Offset)?,
            len: self.narrow(Section::Len)?,
            ..Columns::default()
        })
    }

    pub(crate) fn outcomes(&self) -> Result<Outcomes> {
        Ok(Outcomes {
            event: self.wide(Section::OutcomeEvent)?,
            offset: self.narrow(Section::OutcomeOffset)?,
            len: self.narrow(Section::OutcomeLen)?,
        })
    }

    fn section(&self, section: Section) -> Result<Vec<u8>> {
        let index = section as usize;
        let before: u64 = self.sections[..index].iter().map(|(len, _)| *len).sum();
        let (len, crc) = self.sections[index];
        let mut bytes = vec![0; len as usize];
        let io = StoreError::io(self.file.path().to_owned());
        let read = self.file.read_at(HEADER as u64 + before, &mut bytes).map_err(io)?;
        if read < bytes.len() || crc32c::crc32c(&bytes) != crc {
            let file = self.file.path().to_owned();
            let what = "a section does not have its checksum";
            return Err(StoreError::Damaged { file, what });
        }
        Ok(bytes)
    }

    fn wide(&self, section: Section) -> Result<Vec<u64>> {
        let bytes = self.section(section)?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    }

    fn narrow(&self, section: Section) -> Result<Vec<u32>> {
        let bytes = self.section(section)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }
}

fn wide(column: &[u64]) -> Vec<u8> {
    column.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn narrow(column: &[u32]) -> Vec<u8> {
    column.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn texts(types: &Types) -> Vec<u8> {
    let Some(all) = types.all() else { return u32::MAX.to_le_bytes().to_vec() };
    let mut bytes = Vec::new();
    for text in all {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

fn parse_texts(mut bytes: &[u8]) -> Option<Types> {
    let mut types = Types::default();
    while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
        let len = u32::from_le_bytes(*len);
        if len == u32::MAX {
            return Some(Types::too_many());
        }
        let (text, rest) = rest.split_at_checked(len as usize)?;
        types.add(std::str::from_utf8(text).ok()?);
        bytes = rest;
    }
    Some(types)
}

fn header(summary: &Summary, sections: &[(u64, u32); SECTIONS]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend_from_slice(MAGIC);
    for number in [VERSION, summary.generation] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in summary.numbers() {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for (len, crc) in sections {
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
    }
    bytes.resize(CRC_AT, 0);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn parse_header(bytes: &[u8; HEADER]) -> Option<(Summary, [(u64, u32); SECTIONS])> {
    let intact = crc32c::crc32c(&bytes[..CRC_AT]).to_le_bytes() == bytes[CRC_AT..];
    let narrow = |at: usize| {
        let mut number = [0; 4];
        number.copy_from_slice(&bytes[at..at + 4]);
        u32::from_le_bytes(number)
    };
    let wide = |at: usize| u64::from(narrow(at)) | u64::from(narrow(at + 4)) << 32;
    if !bytes.starts_with(MAGIC) || !intact || narrow(8) != VERSION {
        return None;
    }
    let number = |index: usize| wide(NUMBERS_AT + index * 8);
    let summary = Summary {
        generation: narrow(12),
        first: number(0),
        last: number(1),
        events: number(2),
        outcomes: number(3),
        time_first: number(4),
        time_last: number(5),
        outcome_first: number(6),
        outcome_last: number(7),
        at_last: number(8),
    };
    let mut sections = [(0, 0); SECTIONS];
    for (index, section) in sections.iter_mut().enumerate() {
        let at = SECTIONS_AT + index * 12;
        *section = (wide(at), narrow(at + 8));
    }
    Some((summary, sections))
}
