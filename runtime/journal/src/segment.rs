//! The log's framing, byte by byte: segment header, batch header, record header. Knows no record's
//! content, and does no I/O.
//!
//! All numbers are little-endian. A segment is a header page, then batches, each beginning on a
//! sector that no earlier batch has touched: writing a batch never rewrites a sector that was
//! already durable.

/// What a segment's header takes of its file.
pub(crate) const HEADER_PAGE: u32 = 4096;
/// Batches begin at multiples of this.
pub(crate) const SECTOR: u32 = 512;
/// Writes end at multiples of this, so that the kernel need not read a page to change part of it.
pub(crate) const PAGE: u32 = 4096;

const MAGIC: [u8; 8] = *b"triphseg";
const VERSION: u32 = 1;

pub(crate) const SEGMENT_HEADER: usize = 68;
pub(crate) const BATCH_HEADER: usize = 40;
pub(crate) const RECORD_HEADER: usize = 32;

/// What a segment continues.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// The segment before it, which was written to its end and synced.
    Rolled,
    /// Where an earlier run of the program stopped. The segment was given its name only after
    /// everything in this header, and the records copied forward, were synced.
    Resumed(Resumed),
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Resumed {
    /// The segment that this one continues; 0 when there is none.
    pub(crate) sealed: u32,
    /// Where that one ends, in bytes. What follows there is not part of the log.
    pub(crate) sealed_end: u32,
    /// The number that the first record of this segment has, or will have.
    pub(crate) first: u64,
    /// The number of the last record before that, 0 when there is none.
    pub(crate) previous: u64,
    /// Everything up to this number is durable: the records copied forward included.
    pub(crate) durable: u64,
}

impl Resumed {
    /// Whether the numbers fit together, so that nothing that counts with them has to ask.
    fn is_sound(&self) -> bool {
        self.previous < self.first && self.first - 1 <= self.durable && self.durable < u64::MAX
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SegmentHeader {
    pub(crate) generation: u32,
    /// Unknown outside, so that no payload can look like a batch of this segment.
    pub(crate) salt: u64,
    /// How long the file was made, in bytes. Only sealing ever cuts it.
    pub(crate) capacity: u32,
    pub(crate) start: Start,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let (kind, resumed) = match self.start {
            Start::Rolled => (1, Resumed::default()),
            Start::Resumed(resumed) => (2, resumed),
        };
        let mut out = [0; SEGMENT_HEADER];
        out[..8].copy_from_slice(&MAGIC);
        put_u32(&mut out, 8, VERSION);
        put_u32(&mut out, 12, self.generation);
        put_u64(&mut out, 16, self.salt);
        put_u32(&mut out, 24, kind);
        put_u32(&mut out, 28, resumed.sealed);
        put_u32(&mut out, 32, resumed.sealed_end);
        put_u64(&mut out, 36, resumed.first);
        put_u64(&mut out, 44, resumed.previous);
        put_u64(&mut out, 52, resumed.durable);
        put_u32(&mut out, 60, self.capacity);
        let crc = crc32c::crc32c(&out[..64]);
        put_u32(&mut out, 64, crc);
        out
    }

    /// None when these bytes are no header of segment `generation`.
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER], generation: u32) -> Option<Self> {
        let valid = bytes[..8] == MAGIC
            && u32_at(bytes, 8) == VERSION
            && u32_at(bytes, 12) == generation
            && u32_at(bytes, 64) == crc32c::crc32c(&bytes[..64]);
        if !valid {
            return None;
        }
        let resumed = Resumed {
            sealed: u32_at(bytes, 28),
            sealed_end: u32_at(bytes, 32),
            first: u64_at(bytes, 36),
            previous: u64_at(bytes, 44),
            durable: u64_at(bytes, 52),
        };
        let start = match u32_at(bytes, 24) {
            1 => Start::Rolled,
            2 if resumed.is_sound() => Start::Resumed(resumed),
            _ => return None,
        };
        Some(Self { generation, salt: u64_at(bytes, 16), capacity: u32_at(bytes, 60), start })
    }
}

/// What ties batches and records to one life of one segment file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    pub(crate) generation: u32,
    pub(crate) salt: u64,
    /// The checksum of the salt, with which every header's checksum begins.
    seed: u32,
}

impl Stamp {
    pub(crate) fn new(generation: u32, salt: u64) -> Self {
        Self { generation, salt, seed: crc32c::crc32c(&salt.to_le_bytes()) }
    }

    fn crc(&self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.seed, bytes)
    }
}

/// Stands before the records that were written and synced together. One without records proves
/// that everything before it was durable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BatchHeader {
    pub(crate) records: u32,
    /// Of the records that follow, in bytes.
    pub(crate) len: u32,
    /// The number of the first record, or the next one's when there is none.
    pub(crate) first: u64,
    /// The position that was already durable when this was written.
    pub(crate) durable: u64,
}

impl BatchHeader {
    pub(crate) fn encode(&self, stamp: Stamp, out: &mut [u8]) {
        put_u64(out, 0, stamp.salt);
        put_u32(out, 8, stamp.generation);
        put_u32(out, 12, self.records);
        put_u64(out, 16, self.first);
        put_u64(out, 24, self.durable);
        put_u32(out, 32, self.len);
        let crc = stamp.crc(&out[..36]);
        put_u32(out, 36, crc);
    }

    pub(crate) fn decode(bytes: &[u8], stamp: Stamp) -> Option<Self> {
        let bytes = bytes.get(..BATCH_HEADER)?;
        let valid = u64_at(bytes, 0) == stamp.salt
            && u32_at(bytes, 8) == stamp.generation
            && u32_at(bytes, 36) == stamp.crc(&bytes[..36]);
        valid.then(|| Self {
            records: u32_at(bytes, 12),
            first: u64_at(bytes, 16),
            durable: u64_at(bytes, 24),
            len: u32_at(bytes, 32),
        })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RecordHeader {
    /// Of the body, in bytes.
    pub(crate) len: u32,
    pub(crate) body_crc: u32,
    pub(crate) seq: u64,
    /// How far back the record before this one is: its number is `seq - back`. 0 for the very
    /// first record.
    pub(crate) back: u32,
    /// How many numbers the record takes.
    pub(crate) span: u32,
}

impl RecordHeader {
    pub(crate) fn encode(&self, stamp: Stamp) -> [u8; RECORD_HEADER] {
        let mut out = [0; RECORD_HEADER];
        put_u32(&mut out, 0, self.len);
        put_u32(&mut out, 4, self.body_crc);
        put_u64(&mut out, 8, self.seq);
        put_u32(&mut out, 16, self.back);
        put_u32(&mut out, 20, self.span);
        put_u32(&mut out, 24, stamp.generation);
        let crc = stamp.crc(&out[..28]);
        put_u32(&mut out, 28, crc);
        out
    }

    pub(crate) fn decode(bytes: &[u8], stamp: Stamp) -> Option<Self> {
        let bytes = bytes.get(..RECORD_HEADER)?;
        let valid =
            u32_at(bytes, 24) == stamp.generation && u32_at(bytes, 28) == stamp.crc(&bytes[..28]);
        valid.then(|| Self {
            len: u32_at(bytes, 0),
            body_crc: u32_at(bytes, 4),
            seq: u64_at(bytes, 8),
            back: u32_at(bytes, 16),
            span: u32_at(bytes, 20),
        })
    }

    /// The number of the last event or effect in it.
    pub(crate) fn last(&self) -> u64 {
        self.seq.saturating_add(u64::from(self.span)).saturating_sub(1)
    }
}

/// The next sector's beginning, or `offset` itself when it is one.
pub(crate) fn sector_up(offset: u32) -> u32 {
    offset.next_multiple_of(SECTOR)
}

/// A segment's file; ten digits, so that names sort as generations do.
pub(crate) fn segment_name(generation: u32) -> String {
    format!("{generation:010}.seg")
}

pub(crate) fn parse_segment_name(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg")?;
    let plain = digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok().filter(|generation| *generation > 0) } else { None }
}

/// A file that waits to become a segment.
pub(crate) fn spare_name(number: u64) -> String {
    format!("{number:010}.spare")
}

pub(crate) fn parse_spare_name(name: &str) -> Option<u64> {
    name.strip_suffix(".spare")?.parse().ok()
}

fn put_u32(out: &mut [u8], at: usize, value: u32) {
    out[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut [u8], at: usize, value: u64) {
    out[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut array = [0; 4];
    array.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(array)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut array = [0; 8];
    array.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        let resumed = Resumed { sealed: 6, sealed_end: 5000, first: 70, previous: 66, durable: 80 };
        for start in [Start::Rolled, Start::Resumed(resumed)] {
            let header = SegmentHeader { generation: 7, salt: 0xdead_beef, capacity: 8192, start };
            let bytes = header.encode();
            assert_eq!(SegmentHeader::decode(&bytes, 7), Some(header));
            assert_eq!(SegmentHeader::decode(&bytes, 8), None);
            for at in 0..SEGMENT_HEADER {
                let mut bent = bytes;
                bent[at] ^= 0x10;
                assert_eq!(SegmentHeader::decode(&bent, 7), None, "{at}");
            }
        }
    }

    #[test]
    fn a_batch_belongs_to_one_life_of_a_file() {
        let batch = BatchHeader { records: 3, len: 999, first: 12, durable: 11 };
        let mut bytes = [0; BATCH_HEADER];
        batch.encode(Stamp::new(7, 1), &mut bytes);
        assert_eq!(BatchHeader::decode(&bytes, Stamp::new(7, 1)), Some(batch));
        assert_eq!(BatchHeader::decode(&bytes, Stamp::new(7, 2)), None);
        assert_eq!(BatchHeader::decode(&bytes, Stamp::new(8, 1)), None);
        assert_eq!(BatchHeader::decode(&bytes[1..], Stamp::new(7, 1)), None);
    }

    #[test]
    fn a_record_belongs_to_one_life_of_a_file() {
        let record = RecordHeader { len: 5, body_crc: 9, seq: 12, back: 2, span: 3 };
        let bytes = record.encode(Stamp::new(7, 1));
        assert_eq!(RecordHeader::decode(&bytes, Stamp::new(7, 1)), Some(record));
        assert_eq!(RecordHeader::decode(&bytes, Stamp::new(7, 2)), None);
        assert_eq!(RecordHeader::decode(&bytes, Stamp::new(8, 1)), None);
        assert_eq!(record.last(), 14);
    }

    #[test]
    fn names_sort_as_generations_do() {
        assert_eq!(segment_name(42), "0000000042.seg");
        assert_eq!(parse_segment_name("0000000042.seg"), Some(42));
        for name in [
            "42.seg",
            "00000000042.seg",
            "000000004x.seg",
            "0000000042",
            "9999999999.seg",
            "0000000000.seg",
        ] {
            assert_eq!(parse_segment_name(name), None, "{name}");
        }
        assert_eq!(parse_spare_name(&spare_name(3)), Some(3));
    }
}
