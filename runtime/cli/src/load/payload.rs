//! The payload of the load: an order as a shop would send it, of a given size.

use std::fmt::Write as _;

/// The smallest payload with all its fields.
pub(crate) const SIZE_MIN: usize = 128;

const HEAD: &str = r#"{"customer":"c-104729","amount":1250,"currency":"EUR","items":["#;
const TAIL: &str = r#"],"note":""#;
const END: &str = r#""}"#;

/// JSON of exactly `size` bytes, at least [`SIZE_MIN`].
pub(crate) fn payload(size: usize) -> String {
    let size = size.max(SIZE_MIN);
    let mut text = String::with_capacity(size);
    text.push_str(HEAD);
    for number in 0.. {
        let mut item = String::new();
        let comma = if number == 0 { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(
            item,
            r#"{comma}{{"sku":"tea-{number:04}","name":"Earl Grey, loose leaf, 250 g","quantity":2,"price":625}}"#
        );
        // The last eighth is a note.
        if text.len() + item.len() + TAIL.len() + END.len() > size - size / 8 {
            break;
        }
        text.push_str(&item);
    }
    text.push_str(TAIL);
    let words = "please leave it with the neighbours ".chars().cycle();
    text.extend(words.take(size - text.len() - END.len()));
    text.push_str(END);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_exact_and_the_payload_is_an_order() {
        for size in [0, SIZE_MIN, 200, 1000, 1024, 65_536] {
            let text = payload(size);
            assert_eq!(text.len(), size.max(SIZE_MIN));
            let order: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(order["amount"].is_i64() && order["items"].is_array(), "{text}");
        }
        let order: serde_json::Value = serde_json::from_str(&payload(1024)).unwrap();
        assert!(order["items"].as_array().unwrap().len() > 5);
    }
}
