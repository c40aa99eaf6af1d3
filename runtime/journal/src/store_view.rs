//! The checkpoint's tables as they were after one transaction, and how they are read. Knows no
//! position but its own.

use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::{ReadableDatabase, ReadableTable};
use triphammer_model::{FunctionName, Seq, Timestamp};

use crate::codec::Decoder;
use crate::error::CodecError;
use crate::state::Versioned;
use crate::store_error::StoreError;
use crate::store_file::{
    COUNTERS, DEFINITIONS, DELIVERIES, EXPIRIES, META, META_NEXT, META_SEGMENTS, OpenDatabase,
    PAYLOADS, REPLAYS, RUNS, ReadTable, STATE, USAGE, guarded,
};
use crate::store_keys::{parse_expiry_key, seq_of};
use crate::store_value::{read_state_value, unseal};

/// Holds its pages for as long as it lives: not to be kept past the next transaction.
pub(crate) struct View {
    /// Every record below this number is in it.
    pub(crate) next: Option<Seq>,
    /// The oldest and the newest segment of the log, when that was last written down.
    pub(crate) segments: Option<(u32, u32)>,
    /// When the first of the state expires, whether or not that has passed.
    pub(crate) first_expiry: Option<Timestamp>,
    pub(crate) state: ReadTable,
    pub(crate) expiries: ReadTable,
    pub(crate) usage: ReadTable,
    pub(crate) deliveries: ReadTable,
    pub(crate) payloads: ReadTable,
    pub(crate) definitions: ReadTable,
    pub(crate) replays: ReadTable,
    pub(crate) counters: ReadTable,
    pub(crate) runs: ReadTable,
    path: PathBuf,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

impl View {
    pub(crate) fn open(db: &OpenDatabase, path: &Path) -> Result<Self> {
        let (mut view, meta) = db.with(|db| {
            let txn = db.begin_read()?;
            let table = |table| txn.open_table(table);
            let view = Self {
                next: None,
                segments: None,
                first_expiry: None,
                state: table(STATE)?,
                expiries: table(EXPIRIES)?,
                usage: table(USAGE)?,
                deliveries: table(DELIVERIES)?,
                payloads: table(PAYLOADS)?,
                definitions: table(DEFINITIONS)?,
                replays: table(REPLAYS)?,
                counters: table(COUNTERS)?,
                runs: table(RUNS)?,
                path: path.to_owned(),
            };
            Ok((view, table(META)?))
        })?;
        if let Some(next) = view.get(&meta, META_NEXT)? {
            view.next = Some(view.decode(Decoder::new(&next).seq())?);
        }
        if let Some(segments) = view.get(&meta, META_SEGMENTS)? {
            let decode = |mut d: Decoder<'_>| Ok((d.number()?, d.number()?));
            view.segments = Some(view.decode(decode(Decoder::new(&segments)))?);
        }
        view.first_expiry = view.find_first_expiry()?;
        Ok(view)
    }

    pub(crate) fn get(&self, table: &ReadTable, key: &[u8]) -> Result<Option<Bytes>> {
        let Some(sealed) = self.raw(table, key)? else { return Ok(None) };
        Ok(Some(sealed.slice_ref(self.unseal(key, &sealed)?)))
    }

    pub(crate) fn state(&self, key: &[u8]) -> Result<Option<Versioned>> {
        let Some(sealed) = self.raw(&self.state, key)? else { return Ok(None) };
        let row = read_state_value(key, &sealed).ok_or_else(|| self.flipped())?;
        let value = sealed.slice_ref(row.value);
        Ok(Some(Versioned { value, seq: row.seq, expires: row.expires }))
    }

    /// When the first of the state expires, whether or not that has passed.
    fn find_first_expiry(&self) -> Result<Option<Timestamp>> {
        guarded(&self.path, || {
            let first = self.expiries.first()?;
            Ok(first.and_then(|(key, _)| Some(parse_expiry_key(key.value())?.0)))
        })
    }

    fn raw(&self, table: &ReadTable, key: &[u8]) -> Result<Option<Bytes>> {
        guarded(&self.path, || {
            let found = table.get_owned(key)?;
            Ok(found.map(|guard| Bytes::copy_from_slice(guard.value())))
        })
    }

    pub(crate) fn state_value(&self, key: &[u8], sealed: &[u8]) -> Result<Versioned> {
        let row = read_state_value(key, sealed).ok_or_else(|| self.flipped())?;
        let value = Bytes::copy_from_slice(row.value);
        Ok(Versioned { value, seq: row.seq, expires: row.expires })
    }

    /// Goes over keys from `from` to below `to` and their sealed values in order, until `each` has
    /// seen enough.
    pub(crate) fn walk(
        &self,
        table: &ReadTable,
        from: &[u8],
        to: Option<&[u8]>,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if to.is_some_and(|to| from >= to) {
            return Ok(());
        }
        guarded(&self.path, || {
            let to = to.map_or(Bound::Unbounded, Bound::Excluded);
            for entry in table.range::<&[u8]>((Bound::Included(from), to))? {
                let (key, value) = entry?;
                match each(key.value(), value.value()) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => break,
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(()))
        })?
    }

    /// Goes over all keys and values.
    pub(crate) fn each(
        &self,
        table: &ReadTable,
        mut each: impl FnMut(&[u8], Bytes) -> Result<()>,
    ) -> Result<()> {
        self.walk(table, &[], None, |key, sealed| {
            let value = Bytes::copy_from_slice(self.unseal(key, sealed)?);
            each(key, value).map(ControlFlow::Continue)
        })
    }

    pub(crate) fn unseal<'a>(&self, key: &[u8], value: &'a [u8]) -> Result<&'a [u8]> {
        unseal(key, value).ok_or_else(|| self.flipped())
    }

    pub(crate) fn decode<T>(&self, decoded: Result<T, CodecError>) -> Result<T> {
        decoded.map_err(|_| self.damaged("a value has another form"))
    }

    pub(crate) fn function(&self, key: &[u8]) -> Result<FunctionName> {
        let name = std::str::from_utf8(key).ok().and_then(|text| text.parse().ok());
        name.ok_or_else(|| self.damaged("a key has another form"))
    }

    fn flipped(&self) -> StoreError {
        self.damaged("a value does not have its checksum")
    }

    pub(crate) fn damaged(&self, what: &'static str) -> StoreError {
        StoreError::Damaged { file: self.path.clone(), what }
    }

    /// The events of all pinned payloads lie at or below this one.
    pub(crate) fn last_pinned(&self) -> Result<Option<Seq>> {
        guarded(&self.path, || {
            let last = self.payloads.last()?;
            Ok(last.and_then(|(key, _)| seq_of(key.value())))
        })
    }
}
