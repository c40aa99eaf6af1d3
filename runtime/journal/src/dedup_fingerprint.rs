//! What a sender's repetition is known by: a keyed hash of where an event came in, its source and
//! its id, and a weak one of its payload. Knows nothing of what was seen before.

use triphammer_model::Event;

use crate::record::{DedupEntry, Entrance};

/// Keyed with random bits of the data directory, so that nobody outside can make two ids that
/// collide. Cheap to clone.
#[derive(Clone)]
pub struct Fingerprint {
    key: [u8; 32],
}

impl Fingerprint {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Needs no lock: to be made before one is taken.
    pub fn entry(&self, entrance: &Entrance, event: &Event) -> DedupEntry {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        let (kind, name): (u8, &str) = match entrance {
            Entrance::Ingress => (0, ""),
            Entrance::Hook(name) => (1, name),
            Entrance::Function(name) => (2, name.as_str()),
            Entrance::Host => (3, ""),
        };
        // Lengths first: no two triples have the same bytes.
        hasher.update(&[kind]);
        hasher.update(&(name.len() as u32).to_le_bytes());
        hasher.update(&(event.source().len() as u32).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(event.source().as_bytes());
        hasher.update(event.id().as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        DedupEntry { id, payload: payload(event) }
    }
}

impl std::fmt::Debug for Fingerprint {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint")
    }
}

/// The checksum of the payload below its length; zero when there is none.
fn payload(event: &Event) -> u64 {
    let Some(data) = event.data() else { return 0 };
    let len = (data.len() as u64 + 1) << 32;
    len | u64::from(crc32c::crc32c(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use triphammer_model::EventParts;

    fn event(source: &str, id: &str, data: Option<&'static str>) -> Event {
        Event::new(&EventParts {
            id: id.into(),
            source: source.into(),
            ty: "t".into(),
            data: data.map(Bytes::from),
            ..EventParts::default()
        })
        .unwrap()
    }

    #[test]
    fn each_entrance_has_its_own_ids() {
        let fingerprint = Fingerprint::new([7; 32]);
        let entrances = [
            Entrance::Ingress,
            Entrance::Hook("a".into()),
            Entrance::Hook("b".into()),
            Entrance::Function("a".parse().unwrap()),
        ];
        let events = [event("a", "bc", None), event("ab", "c", None), event("a", "b", None)];
        let mut seen = std::collections::HashSet::new();
        for entrance in &entrances {
            for event in &events {
                assert!(seen.insert(fingerprint.entry(entrance, event).id));
                let other = Fingerprint::new([8; 32]);
                assert!(seen.insert(other.entry(entrance, event).id));
            }
        }
    }

    #[test]
    fn another_payload_differs() {
        let fingerprint = Fingerprint::new([7; 32]);
        let mark = |data| fingerprint.entry(&Entrance::Ingress, &event("s", "i", data));
        assert_eq!(mark(Some("x")), mark(Some("x")));
        let (none, empty, x, y) = (mark(None), mark(Some("")), mark(Some("x")), mark(Some("y")));
        assert!(none.id == x.id && x.id == y.id);
        let mut payloads = vec![none.payload, empty.payload, x.payload, y.payload];
        payloads.dedup();
        assert_eq!(payloads.len(), 4);
    }
}
