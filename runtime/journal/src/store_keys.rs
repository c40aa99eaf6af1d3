//! The keys of the checkpoint's tables, as bytes that sort the way they are read. Knows no table.
//!
//! A state key is: function, a zero byte, 0 for no ordering key or 1 with its length (`u16`,
//! big-endian) and its bytes, then the name. A function's name holds no zero byte and the length
//! ends the key, so nothing is escaped, and (function, key, prefix of names) is one range.

use triphammer_model::{FunctionName, OrderingKey, Seq, Timestamp};

/// Where state is private: one function, and one ordering key of it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Space {
    function: FunctionName,
    key: Option<OrderingKey>,
}

impl Space {
    /// `key` is none for a function without ordering keys.
    pub fn new(function: FunctionName, key: Option<OrderingKey>) -> Self {
        Self { function, key }
    }

    pub fn function(&self) -> &FunctionName {
        &self.function
    }

    pub fn key(&self) -> Option<&OrderingKey> {
        self.key.as_ref()
    }
}

/// What every state key of `function` begins with.
pub(crate) fn function_prefix(function: &FunctionName) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(function.as_str().len() + 1);
    prefix.extend_from_slice(function.as_str().as_bytes());
    prefix.push(0);
    prefix
}

/// What the state keys of one space begin with, written over `out`.
pub(crate) fn write_space(out: &mut Vec<u8>, function: &FunctionName, key: Option<&OrderingKey>) {
    out.clear();
    out.extend_from_slice(function.as_str().as_bytes());
    out.push(0);
    match key {
        None => out.push(0),
        Some(key) => {
            let key = key.as_str().as_bytes();
            out.push(1);
            // At most 512, which the key's own type has checked.
            out.extend_from_slice(&(key.len() as u16).to_be_bytes());
            out.extend_from_slice(key);
        }
    }
}

pub(crate) fn space_prefix(space: &Space) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(64);
    write_space(&mut prefix, &space.function, space.key.as_ref());
    prefix
}

/// The least key that is greater than every key with this prefix; none when there is no such key.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut bound = prefix[..=last].to_vec();
    bound[last] += 1;
    Some(bound)
}

/// The ordering key and the name of a state key that begins with `function_prefix`.
pub(crate) fn parse_state_key<'a>(
    function_prefix: &[u8],
    key: &'a [u8],
) -> Option<(Option<&'a str>, &'a str)> {
    let rest = key.strip_prefix(function_prefix)?;
    let (ordering_key, name) = match rest.split_first()? {
        (0, name) => (None, name),
        (1, rest) => {
            let (len, rest) = rest.split_first_chunk::<2>()?;
            let (key, name) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            (Some(std::str::from_utf8(key).ok()?), name)
        }
        _ => return None,
    };
    Some((ordering_key, std::str::from_utf8(name).ok()?))
}

/// Which space a state key is of, and its name.
pub(crate) fn split_state_key(key: &[u8]) -> Option<(Space, &str)> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let (ordering_key, name) = parse_state_key(&key[..=end], key)?;
    let function = std::str::from_utf8(&key[..end]).ok()?.parse().ok()?;
    // A key that was written was one.
    let ordering_key = ordering_key.map(OrderingKey::new).transpose().ok()?;
    Some((Space::new(function, ordering_key), name))
}

/// The key under which a state key expires: all that expire before another time are one range.
pub(crate) fn expiry_key(at: Timestamp, state_key: &[u8]) -> Vec<u8> {
    [&at.0.to_be_bytes(), state_key].concat()
}

/// When it expires, and the state key.
pub(crate) fn parse_expiry_key(key: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (at, state_key) = key.split_first_chunk()?;
    Some((Timestamp(u64::from_be_bytes(*at)), state_key))
}

/// In the order of the events, then of the functions.
pub(crate) fn write_delivery(out: &mut Vec<u8>, seq: Seq, function: &FunctionName) {
    out.clear();
    out.extend_from_slice(&seq.get().to_be_bytes());
    out.extend_from_slice(function.as_str().as_bytes());
}

/// The event of a delivery's or a payload's key.
pub(crate) fn seq_of(key: &[u8]) -> Option<Seq> {
    Seq::new(u64::from_be_bytes(*key.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(function: &str, key: Option<&str>, name: &str) -> Vec<u8> {
        let key = key.map(|key| OrderingKey::new(key).unwrap());
        let mut bytes = space_prefix(&Space::new(function.parse().unwrap(), key));
        bytes.extend_from_slice(name.as_bytes());
        bytes
    }

    #[test]
    fn a_space_is_one_range_whatever_bytes_its_key_has() {
        let odd = ["", "\0", "\0\0", "a", "a\0", "a\u{1}b", "b", "\u{10ffff}"];
        let mut all = Vec::new();
        for function in ["f", "f-1", "f1"] {
            for ordering in std::iter::once(None).chain(odd.iter().copied().map(Some)) {
                for name in odd {
                    all.push((function, ordering, name, key(function, ordering, name)));
                }
            }
        }
        all.sort_by(|a, b| a.3.cmp(&b.3));
        for pair in all.windows(2) {
            assert_ne!(pair[0].3, pair[1].3);
        }
        for (function, ordering, name, bytes) in &all {
            let prefix = key(function, *ordering, "");
            let end = after_prefix(&prefix).unwrap();
            for (f, o, n, other) in &all {
                let inside = other >= &prefix && other < &end;
                assert_eq!(inside, f == function && o == ordering);
                assert!(!inside || n.cmp(name) == other.cmp(bytes), "names keep their order");
            }
            let parsed = parse_state_key(&function_prefix(&function.parse().unwrap()), bytes);
            assert_eq!(parsed, Some((*ordering, *name)));
            let (space, split) = split_state_key(bytes).unwrap();
            assert_eq!((space.function().as_str(), split), (*function, *name));
            assert_eq!(space.key().map(OrderingKey::as_str), *ordering);
            let expiry = expiry_key(Timestamp(7), bytes);
            assert_eq!(parse_expiry_key(&expiry), Some((Timestamp(7), bytes.as_slice())));
        }
    }

    #[test]
    fn a_prefix_of_the_highest_bytes_has_no_end() {
        assert_eq!(after_prefix(&[0xff, 0xff]), None);
        assert_eq!(after_prefix(&[]), None);
        assert_eq!(after_prefix(&[1, 0xff]), Some(vec![2]));
    }
}
