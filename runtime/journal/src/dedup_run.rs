//! A sorted, immutable file of marks, and its filter in memory. Knows nothing of time windows.
//!
//! The file is made of pages of 4096 bytes. The first is the header: `TRHMARKS`, the count of
//! marks and the filter's length in bytes (`u64` each), zeros, and at the end a CRC-32C of what
//! comes before it. Then pages of up to 127 marks (id, number of the event and payload `u64`),
//! zeros, and at the end of each its CRC-32C. Then the filter and its CRC-32C. All numbers are
//! little-endian.

use std::sync::Arc;

use triphammer_model::Seq;

use crate::dedup_filter::{Filter, halves};
use crate::disk::{Disk, DiskFile};
use crate::store_error::StoreError;

const MARK_BYTES: usize = 32;
pub(crate) const PAGE: usize = 4096;
const PER_PAGE: usize = 127;
const CRC_AT: usize = PAGE - 4;
const MAGIC: &[u8; 8] = b"TRHMARKS";
/// Pages that are read or written at once where all are.
const PAGES_AT_ONCE: usize = 64;

/// What is kept of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RunMark {
    pub(crate) id: [u8; 16],
    pub(crate) seq: Seq,
    pub(crate) payload: u64,
}

#[derive(Debug)]
pub(crate) struct RunFile {
    file: Arc<dyn DiskFile>,
    count: u64,
    filter: Filter,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;
type Page = [u8; PAGE];

impl RunFile {
    /// Writes marks that come sorted by id, each id once, and syncs them. Their number may be less
    /// than `count_max`.
    pub(crate) fn write(
        disk: &dyn Disk,
        name: &str,
        count_max: usize,
        marks: impl Iterator<Item = Result<RunMark>>,
    ) -> Result<Self> {
        let path = disk.path(name);
        let io = || StoreError::io(path.clone());
        // Left over from a try that the disk had no room for, there may be one.
        let file = disk.open_or_create(name).map_err(io())?;
        file.set_len(0).map_err(io())?;
        let mut filter = Filter::for_ids(count_max);
        let mut count = 0u64;
        let mut buffer = Vec::with_capacity(PAGES_AT_ONCE * PAGE);
        let mut at = PAGE as u64;
        for mark in marks {
            let mark = mark?;
            filter.add(&mark.id);
            count += 1;
            buffer.extend_from_slice(&mark.id);
            buffer.extend_from_slice(&mark.seq.get().to_le_bytes());
            buffer.extend_from_slice(&mark.payload.to_le_bytes());
            if count.is_multiple_of(PER_PAGE as u64) {
                close_page(&mut buffer);
            }
            if buffer.len() == PAGES_AT_ONCE * PAGE {
                file.write_at(at, &buffer).map_err(io())?;
                at += buffer.len() as u64;
                buffer.clear();
            }
        }
        if !buffer.len().is_multiple_of(PAGE) {
            close_page(&mut buffer);
        }
        let bytes = filter.to_bytes();
        buffer.extend_from_slice(&bytes);
        buffer.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        file.write_at(at, &buffer).map_err(io())?;
        let mut header = Vec::with_capacity(PAGE);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&count.to_le_bytes());
        header.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        close_page(&mut header);
        file.write_at(0, &header).map_err(io())?;
        file.sync_data().map_err(io())?;
        Ok(Self { file, count, filter })
    }

    pub(crate) fn open(disk: &dyn Disk, name: &str) -> Result<Self> {
        let path = disk.path(name);
        let file = disk.open(name).map_err(StoreError::io(path.clone()))?;
        let damaged = |what| StoreError::Damaged { file: path.clone(), what };
        let mut header = [0; PAGE];
        let io = StoreError::io(path.clone());
        let read = file.read_at(0, &mut header).map_err(io)?;
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&header[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        if read < PAGE || !header.starts_with(MAGIC) || !is_intact(&header) {
            return Err(damaged("its header is not intact"));
        }
        let (count, filter_len) = (number(8), number(16));
        let at = PAGE as u64 * (1 + count.div_ceil(PER_PAGE as u64));
        let len = file.len().map_err(StoreError::io(path.clone()))?;
        if len < at.saturating_add(filter_len).saturating_add(4) {
            return Err(damaged("it is shorter than its header says"));
        }
        let mut bytes = vec![0; filter_len as usize + 4];
        file.read_at(at, &mut bytes).map_err(StoreError::io(path.clone()))?;
        let crc = bytes.split_off(filter_len as usize);
        let intact = crc == crc32c::crc32c(&bytes).to_le_bytes();
        let filter = Filter::from_bytes(&bytes).filter(|_| intact);
        let filter = filter.ok_or_else(|| damaged("its filter is not intact"))?;
        Ok(Self { file, count, filter })
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// On disk.
    pub(crate) fn bytes(&self) -> u64 {
        (self.pages() + 1) * PAGE as u64 + self.filter.bytes() as u64
    }

    /// Most ids that it does not have cost one look at the filter.
    pub(crate) fn find(&self, id: &[u8; 16]) -> Result<Option<RunMark>> {
        if self.count == 0 || !self.filter.may_have(id) {
            return Ok(None);
        }
        // Ids are spread evenly, so their place can be computed within a few pages.
        let (mut low, mut high) = (0, self.pages());
        let (target, _) = halves(id);
        let mut guess = ((u128::from(target) * u128::from(high)) >> 64) as u64;
        let mut page = [0; PAGE];
        while low < high {
            let index = guess.clamp(low, high - 1);
            self.read_page(index, &mut page)?;
            let marks = self.marks_in(index);
            let (first, last) = (id_at(&page, 0), id_at(&page, marks - 1));
            if id < first {
                high = index;
                guess = index.saturating_sub(self.pages_between(target, first));
            } else if id > last {
                low = index + 1;
                guess = index.saturating_add(self.pages_between(target, last));
            } else {
                return Ok(find_in(&page, marks, id));
            }
        }
        Ok(None)
    }

    /// About how many pages away `target` is from `id`, at least one.
    fn pages_between(&self, target: u64, id: &[u8; 16]) -> u64 {
        let distance = halves(id).0.abs_diff(target);
        let marks = (u128::from(distance) * u128::from(self.count)) >> 64;
        (marks as u64 / PER_PAGE as u64).max(1)
    }

    /// All marks in order, read in large parts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<RunMark>> {
        let pages = self.pages();
        (0..pages).step_by(PAGES_AT_ONCE).flat_map(move |first| {
            let count = (pages - first).min(PAGES_AT_ONCE as u64);
            match self.read_pages(first, count) {
                Ok(marks) => marks.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            }
        })
    }

    fn read_pages(&self, first: u64, count: u64) -> Result<Vec<RunMark>> {
        let mut bytes = vec![0; count as usize * PAGE];
        let io = StoreError::io(self.file.path().to_owned());
        self.file.read_at((first + 1) * PAGE as u64, &mut bytes).map_err(io)?;
        let mut marks = Vec::with_capacity(count as usize * PER_PAGE);
        for (index, page) in (first..).zip(bytes.as_chunks::<PAGE>().0) {
            self.check(page)?;
            for slot in 0..self.marks_in(index) {
                marks.push(mark_at(page, slot).ok_or_else(|| self.damaged())?);
            }
        }
        Ok(marks)
    }

    fn read_page(&self, index: u64, page: &mut Page) -> Result<()> {
        let io = StoreError::io(self.file.path().to_owned());
        let read = self.file.read_at((index + 1) * PAGE as u64, page).map_err(io)?;
        if read < PAGE {
            return Err(self.damaged());
        }
        self.check(page)
    }

    fn check(&self, page: &Page) -> Result<()> {
        if is_intact(page) { Ok(()) } else { Err(self.damaged()) }
    }

    fn damaged(&self) -> StoreError {
        let file = self.file.path().to_owned();
        StoreError::Damaged { file, what: "a page does not have its checksum" }
    }

    fn pages(&self) -> u64 {
        self.count.div_ceil(PER_PAGE as u64)
    }

    fn marks_in(&self, page: u64) -> usize {
        (self.count - page * PER_PAGE as u64).min(PER_PAGE as u64) as usize
    }
}

/// Fills up the last page with zeros and its checksum.
fn close_page(buffer: &mut Vec<u8>) {
    let start = buffer.len() / PAGE * PAGE;
    buffer.resize(start + CRC_AT, 0);
    let crc = crc32c::crc32c(&buffer[start..]);
    buffer.extend_from_slice(&crc.to_le_bytes());
}

fn is_intact(page: &Page) -> bool {
    crc32c::crc32c(&page[..CRC_AT]).to_le_bytes() == page[CRC_AT..]
}

fn find_in(page: &Page, marks: usize, id: &[u8; 16]) -> Option<RunMark> {
    let (mut low, mut high) = (0, marks);
    while low < high {
        let middle = low.midpoint(high);
        match id_at(page, middle).cmp(id) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return mark_at(page, middle),
        }
    }
    None
}

fn mark_bytes(page: &Page, slot: usize) -> &[u8; MARK_BYTES] {
    &page.as_chunks::<MARK_BYTES>().0[slot]
}

fn id_at(page: &Page, slot: usize) -> &[u8; 16] {
    &mark_bytes(page, slot).as_chunks::<16>().0[0]
}

fn mark_at(page: &Page, slot: usize) -> Option<RunMark> {
    let words = mark_bytes(page, slot).as_chunks::<8>().0;
    let seq = Seq::new(u64::from_le_bytes(words[2]))?;
    Some(RunMark { id: *id_at(page, slot), seq, payload: u64::from_le_bytes(words[3]) })
}
