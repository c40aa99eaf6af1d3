//! An item of the live feed, as a server-sent event. Knows neither who listens nor what is asked for.

use triphammer_pipeline::FeedItem;

use crate::json;

pub(super) fn write_lagged(out: &mut Vec<u8>, missed: u64) {
    out.extend_from_slice(b"event: lagged\ndata: {\"kind\":\"lagged\",\"missed\":");
    json::number(out, missed);
    out.extend_from_slice(b"}\n\n");
}

pub(super) fn write_item(out: &mut Vec<u8>, item: &FeedItem) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(item.kind().as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write_data(out, item);
    out.extend_from_slice(b"\n\n");
}

/// One line: strings have their line ends escaped.
fn write_data(out: &mut Vec<u8>, item: &FeedItem) {
    let mut object = Object::new(out);
    object.text("kind", item.kind());
    match item {
        FeedItem::Accepted { seq, at, source, id, ty, subject, functions } => {
            object.text("seq", &seq.to_string());
            object.text("at", &at.to_rfc3339());
            object.text("source", source);
            object.text("id", id);
            object.text("type", ty);
            match subject {
                Some(subject) => object.text("subject", subject),
                None => object.raw("subject", b"null"),
            }
            object.texts("functions", functions.iter().map(|name| name.to_string()));
        }
        FeedItem::Attempted { id, revision, attempt, at } => {
            object.delivery(id, *at);
            object.text("revision", &revision.to_string());
            object.number("attempt", (*attempt).into());
        }
        FeedItem::Committed { id, revision, attempt, at, emitted, elapsed } => {
            object.delivery(id, *at);
            object.text("revision", &revision.to_string());
            object.number("attempt", (*attempt).into());
            object.texts("emitted", emitted.iter().map(|seq| seq.to_string()));
            let elapsed_ms = elapsed.as_micros() as f64 / 1e3;
            object.raw("elapsedMs", elapsed_ms.to_string().as_bytes());
        }
        FeedItem::Retried { id, revision, attempt, at, due, error } => {
            object.delivery(id, *at);
            object.text("revision", &revision.to_string());
            object.number("attempt", (*attempt).into());
            object.text("due", &due.to_rfc3339());
            object.error(error);
        }
        FeedItem::Dead { id, at, error } => {
            object.delivery(id, *at);
            object.error(error);
        }
        FeedItem::Deployed { function, revision, canary, at } => {
            object.text("function", function.as_str());
            object.text("revision", &revision.to_string());
            if let Some((canary, weight)) = canary {
                object.text("canary", &canary.to_string());
                object.number("weight", (*weight).into());
            }
            object.text("at", &at.to_rfc3339());
        }
    }
    object.end();
}

/// A JSON object that is being written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    begun: bool,
}

impl<'o> Object<'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, begun: false }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    fn name(&mut self, name: &str) {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(b',');
        }
        json::name(self.out, name);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        json::string(self.out, value);
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        json::number(self.out, value);
    }

    fn raw(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(value);
    }

    fn texts(&mut self, name: &str, values: impl Iterator<Item = String>) {
        self.name(name);
        json::array(self.out, values, |out, value| json::string(out, &value));
    }

    fn delivery(&mut self, id: &triphammer_model::DeliveryId, at: triphammer_model::Timestamp) {
        self.text("id", &id.to_string());
        self.text("seq", &id.seq.to_string());
        self.text("function", id.function.as_str());
        self.text("at", &at.to_rfc3339());
    }

    fn error(&mut self, error: &triphammer_model::ErrorInfo) {
        self.name("error");
        let mut inner = Object::new(self.out);
        inner.text("code", &error.code);
        inner.text("message", &error.message);
        inner.end();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use triphammer_model::{DeliveryId, ErrorInfo, RevisionId, Seq, Timestamp};

    use super::*;
    use crate::describe::{self, contract};

    fn id(seq: u64) -> DeliveryId {
        DeliveryId { seq: Seq::new(seq).unwrap(), function: "welcome".parse().unwrap() }
    }

    pub(in crate::api) fn accepted(seq: u64, ty: &str) -> FeedItem {
        FeedItem::Accepted {
            seq: Seq::new(seq).unwrap(),
            at: Timestamp(1500),
            source: "/s".into(),
            id: "a\"b".into(),
            ty: ty.into(),
            subject: None,
            functions: vec!["welcome".parse().unwrap()],
        }
    }

    pub(in crate::api) fn attempted(seq: u64) -> FeedItem {
        let revision = RevisionId::new(3).unwrap();
        FeedItem::Attempted { id: id(seq), revision, attempt: 1, at: Timestamp(1500) }
    }

    #[track_caller]
    fn check(item: &FeedItem, expect: &str) {
        let mut out = Vec::new();
        write_item(&mut out, item);
        let kind = item.kind();
        let text = String::from_utf8(out).unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        contract::check_written::<describe::FeedItem>(data);
        assert_eq!(text, format!("event: {kind}\ndata: {{\"kind\":\"{kind}\",{expect}}}\n\n"));
    }

    #[test]
    fn items_are_one_line_of_json_each() {
        let at = r#""at":"1970-01-01T00:00:01.500Z""#;
        let delivery = format!(r#""id":"42/welcome","seq":"42","function":"welcome",{at}"#);
        let revision = RevisionId::new(3).unwrap();
        let time = Timestamp(1500);
        let error = ErrorInfo { code: "invoke.trap".into(), message: "a\nb".into() };
        let shown = r#""error":{"code":"invoke.trap","message":"a\nb"}"#;
        check(
            &accepted(42, "t"),
            &format!(
                r#""seq":"42",{at},"source":"/s","id":"a\"b","type":"t","subject":null,"functions":["welcome"]"#
            ),
        );
        check(&attempted(42), &format!(r#"{delivery},"revision":"r3","attempt":1"#));
        check(
            &FeedItem::Committed {
                id: id(42),
                revision,
                attempt: 2,
                at: time,
                emitted: vec![Seq::new(43).unwrap()],
                elapsed: Duration::from_micros(1250),
            },
            &format!(r#"{delivery},"revision":"r3","attempt":2,"emitted":["43"],"elapsedMs":1.25"#),
        );
        check(
            &FeedItem::Retried {
                id: id(42),
                revision,
                attempt: 2,
                at: time,
                due: time,
                error: error.clone(),
            },
            &format!(
                r#"{delivery},"revision":"r3","attempt":2,"due":"1970-01-01T00:00:01.500Z",{shown}"#
            ),
        );
        check(&FeedItem::Dead { id: id(42), at: time, error }, &format!("{delivery},{shown}"));
        check(
            &FeedItem::Deployed {
                function: "welcome".parse().unwrap(),
                revision,
                canary: None,
                at: time,
            },
            &format!(r#""function":"welcome","revision":"r3",{at}"#),
        );
        check(
            &FeedItem::Deployed {
                function: "welcome".parse().unwrap(),
                revision,
                canary: Some((RevisionId::new(4).unwrap(), 10)),
                at: time,
            },
            &format!(r#""function":"welcome","revision":"r3","canary":"r4","weight":10,{at}"#),
        );
    }
}
