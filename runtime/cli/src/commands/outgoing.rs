//! Events made from what a user gives: the structured JSON form of CloudEvents 1.0.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;

/// An event's attributes and payload.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Outgoing {
    pub(super) specversion: Version,
    pub(super) id: String,
    pub(super) source: String,
    #[serde(rename = "type")]
    pub(super) ty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    #[serde(flatten)]
    pub(super) extensions: serde_json::Map<String, Value>,
    #[serde(flatten)]
    pub(super) payload: Option<Payload>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) enum Version {
    #[default]
    #[serde(rename = "1.0")]
    V1,
}

/// The payload, with its media type.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Payload {
    datacontenttype: String,
    /// JSON as it was given: numbers and the order of members stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

impl Payload {
    /// `argument` is the data, `@FILE`, or `-` for standard input.
    pub(super) fn read(argument: &str, content_type: &str) -> Result<Self, Error> {
        Self::new(bytes(argument)?, content_type)
    }

    fn new(bytes: Vec<u8>, content_type: &str) -> Result<Self, Error> {
        let datacontenttype = content_type.to_owned();
        if !triphammer_model::is_json_media_type(content_type) {
            let data_base64 = Some(STANDARD.encode(bytes));
            return Ok(Self { datacontenttype, data: None, data_base64 });
        }
        let data = serde_json::from_slice(&bytes).map_err(|error| {
            Error::Usage(format!(
                "the data is not JSON ({error}): quote it, or say what it is with --content-type"
            ))
        })?;
        Ok(Self { datacontenttype, data: Some(data), data_base64: None })
    }
}

/// What an argument means: itself, the contents of `@FILE`, or standard input for `-`.
pub(super) fn bytes(argument: &str) -> Result<Vec<u8>, Error> {
    match argument.strip_prefix('@') {
        None if argument == "-" => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|source| Error::file("can't read", "standard input", source))?;
            Ok(bytes)
        }
        None => Ok(argument.as_bytes().to_vec()),
        Some(file) => read(Path::new(file)),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::file("can't read", path, source))
}

/// `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_as_it_was_written() {
        let payload =
            Payload::read(r#"{"b": 1.50, "a": 12345678901234567890}"#, "application/json");
        let event = Outgoing {
            id: "1".into(),
            source: "/s".into(),
            ty: "t".into(),
            payload: Some(payload.unwrap()),
            ..Outgoing::default()
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/json","data":{"b": 1.50, "a": 12345678901234567890}}"#
        );
    }

    #[test]
    fn what_is_not_json_needs_a_media_type() {
        let error = Payload::read("hello", "application/json").unwrap_err();
        assert!(matches!(&error, Error::Usage(text) if text.contains("--content-type")), "{error}");
        let payload = Payload::read("hello", "text/plain").unwrap();
        assert_eq!(payload.data_base64.as_deref(), Some("aGVsbG8="));
    }

    #[test]
    fn files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.json");
        std::fs::write(&file, "[1]").unwrap();
        assert_eq!(bytes(&format!("@{}", file.display())).unwrap(), b"[1]");
        assert!(bytes("@/does/not/exist").is_err());
    }
}
