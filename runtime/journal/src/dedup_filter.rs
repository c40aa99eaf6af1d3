//! Says of most ids at once that a run does not have them. Knows no disk.
//!
//! A blocked Bloom filter: an id sets six bits within one block of 64 bytes, so asking costs one
//! cache line. The ids are keyed hashes, so their bits serve as they are. With sixteen bits per id
//! one question in about 400 is answered with a false maybe, which costs a look at the disk.

/// A cache line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(align(64))]
struct Block([u64; 8]);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Filter {
    blocks: Box<[Block]>,
}

pub(crate) const BLOCK_BYTES: usize = 64;
const BITS_PER_ID: usize = 16;
const PROBES: u32 = 6;

impl Filter {
    pub(crate) fn for_ids(count: usize) -> Self {
        let blocks = (count * BITS_PER_ID).div_ceil(BLOCK_BYTES * 8).max(1);
        Self { blocks: vec![Block::default(); blocks].into() }
    }

    pub(crate) fn add(&mut self, id: &[u8; 16]) {
        let (block, mut bits) = self.place(id);
        let block = &mut self.blocks[block].0;
        for _ in 0..PROBES {
            block[(bits >> 6) as usize & 7] |= 1 << (bits & 63);
            bits >>= 9;
        }
    }

    pub(crate) fn may_have(&self, id: &[u8; 16]) -> bool {
        let (block, mut bits) = self.place(id);
        let block = &self.blocks[block].0;
        (0..PROBES).all(|_| {
            let set = block[(bits >> 6) as usize & 7] & (1 << (bits & 63)) != 0;
            bits >>= 9;
            set
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.blocks.iter().flat_map(|block| block.0).flat_map(u64::to_le_bytes).collect()
    }

    /// None when the length is not a number of blocks.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let block = |bytes: &[u8; BLOCK_BYTES]| {
            let mut block = Block::default();
            for (word, bytes) in block.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            block
        };
        Some(Self { blocks: blocks.iter().map(block).collect() })
    }

    /// The block by the id's first half, in the order of ids; the bits by its second.
    fn place(&self, id: &[u8; 16]) -> (usize, u64) {
        let (first, second) = halves(id);
        let block = (u128::from(first) * self.blocks.len() as u128) >> 64;
        (block as usize, second)
    }
}

/// Big-endian, so that the first half sorts as the id does.
pub(crate) fn halves(id: &[u8; 16]) -> (u64, u64) {
    let value = u128::from_be_bytes(*id);
    ((value >> 64) as u64, value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> [u8; 16] {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(&n.to_le_bytes()).as_bytes()[..16]);
        id
    }

    #[test]
    fn what_was_added_is_found_and_little_else() {
        let mut filter = Filter::for_ids(10_000);
        (0..10_000).for_each(|n| filter.add(&id(n)));
        assert!((0..10_000).all(|n| filter.may_have(&id(n))));
        let false_maybes = (10_000..60_000).filter(|n| filter.may_have(&id(*n))).count();
        assert!(false_maybes < 50_000 / 300, "{false_maybes}");
        assert!(filter.bytes() < 10_000 * 2 + 100);
        assert_eq!(Filter::from_bytes(&filter.to_bytes()), Some(filter));
        assert_eq!(Filter::from_bytes(&[0; 65]), None);
        assert_eq!(Filter::from_bytes(&[]), None);
    }
}
