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
            Entrance::Post => (4, ""),
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
        let payload = match entrance {
            Entrance::Post => self.whole(event),
            _ => payload(event),
        };
        DedupEntry { id, payload }
    }

    /// Of the type, the subject and the payload: a key that comes with another of them is refused,
    /// so it must be hard to make two that collide.
    fn whole(&self, event: &Event) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        let subject = event.subject();
        hasher.update(&(event.ty().len() as u32).to_le_bytes());
        hasher.update(&subject.map_or(0, |subject| subject.len() as u32 + 1).to_le_bytes());
        hasher.update(event.ty().as_bytes());
        hasher.update(subject.unwrap_or_default().as_bytes());
        hasher.update(event.data().map_or(&[], |data| data));
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
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
            Entrance::Host,
            Entrance::Post,
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
    fn a_post_differs_by_its_type_subject_and_payload() {
        let fingerprint = Fingerprint::new([7; 32]);
        let mark = |ty: &str, subject: Option<&str>, data: &'static str| {
            let parts = EventParts {
                id: "i".into(),
                source: "s".into(),
                ty: ty.into(),
                subject: subject.map(str::to_owned),
                data: Some(Bytes::from(data)),
                ..EventParts::default()
            };
            fingerprint.entry(&Entrance::Post, &Event::new(&parts).unwrap())
        };
        let first = mark("ab", Some("c"), "d");
        assert_eq!(first, mark("ab", Some("c"), "d"));
        for other in [
            mark("a", Some("bc"), "d"),
            mark("abc", None, "d"),
            mark("ab", None, "cd"),
            mark("ab", Some("cd"), ""),
            mark("ab", Some("c"), "e"),
        ] {
            assert_eq!(first.id, other.id);
            assert_ne!(first.payload, other.payload);
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
