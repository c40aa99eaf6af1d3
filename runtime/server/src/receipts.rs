//! Receipts as JSON, written by hand: one for every event that comes in.

use triphammer_model::{ErrorInfo, Reply, is_json_media_type};
use triphammer_pipeline::{DeliveryResult, Emitted, Receipt, Settled};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{codec, json};

/// `{"events":[…]}`; `results` are by receipt, where the sender waited for them.
pub(crate) fn write(receipts: &[Receipt], results: Option<&[Vec<Settled>]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + receipts.len() * 192);
    out.extend_from_slice(br#"{"events":"#);
    let with_results = receipts.iter().enumerate().map(|(index, receipt)| {
        let results = results.map(|results| results.get(index).map_or(&[][..], Vec::as_slice));
        (receipt, results)
    });
    json::array(&mut out, with_results, |out, (receipt, results)| write_one(out, receipt, results));
    out.push(b'}');
    out
}

fn write_one(out: &mut Vec<u8>, receipt: &Receipt, results: Option<&[Settled]>) {
    out.extend_from_slice(br#"{"id":"#);
    json::string(out, &receipt.id);
    out.extend_from_slice(br#","source":"#);
    json::string(out, &receipt.source);
    out.extend_from_slice(br#","seq":""#);
    json::number(out, receipt.seq.get());
    out.extend_from_slice(if receipt.duplicate {
        br#"","duplicate":true"#
    } else {
        br#"","duplicate":false"#
    });
    if receipt.differs {
        out.extend_from_slice(br#","differs":true"#);
    }
    out.extend_from_slice(br#","functions":"#);
    json::array(out, &receipt.functions, |out, name| json::string(out, name.as_str()));
    if !receipt.dead.is_empty() {
        out.extend_from_slice(br#","dead":"#);
        json::array(out, &receipt.dead, |out, (function, error)| {
            out.extend_from_slice(br#"{"function":"#);
            json::string(out, function.as_str());
            write_error(out, error);
            out.push(b'}');
        });
    }
    if let Some(results) = results {
        out.extend_from_slice(br#","results":"#);
        json::array(out, results, write_settled);
    }
    out.push(b'}');
}

fn write_settled(out: &mut Vec<u8>, settled: &Settled) {
    write_result(out, &settled.result);
    if let Some(emitted) = &settled.emitted {
        out.extend_from_slice(br#","emitted":"#);
        json::array(out, emitted, write_emitted);
    }
    out.push(b'}');
}

fn write_emitted(out: &mut Vec<u8>, emitted: &Emitted) {
    out.extend_from_slice(br#"{"seq":""#);
    json::number(out, emitted.seq.get());
    out.extend_from_slice(br#"","type":"#);
    json::string(out, &emitted.ty);
    out.extend_from_slice(br#","id":"#);
    json::string(out, &emitted.id);
    out.extend_from_slice(br#","results":"#);
    json::array(out, &emitted.results, write_settled);
    out.push(b'}');
}

/// All members but the emitted events, and the brace not closed.
fn write_result(out: &mut Vec<u8>, result: &DeliveryResult) {
    out.extend_from_slice(br#"{"function":"#);
    json::string(out, result.function.as_str());
    out.extend_from_slice(br#","revision":"#);
    match result.revision {
        Some(revision) => json::string(out, &revision.to_string()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","status":"#);
    json::string(out, result.status.as_str());
    out.extend_from_slice(br#","attempts":"#);
    json::number(out, result.attempts.into());
    if let Some(reply) = &result.reply {
        out.extend_from_slice(br#","reply":"#);
        write_reply(out, reply);
    }
    if let Some(error) = &result.error {
        write_error(out, error);
    }
}

fn write_error(out: &mut Vec<u8>, error: &ErrorInfo) {
    out.extend_from_slice(br#","error":{"code":"#);
    json::string(out, &error.code);
    out.extend_from_slice(br#","message":"#);
    json::string(out, &error.message);
    out.push(b'}');
}

/// A JSON reply as the value, any other as Base64.
pub(crate) fn write_reply(out: &mut Vec<u8>, reply: &Reply) {
    out.extend_from_slice(br#"{"contentType":"#);
    json::string(out, &reply.content_type);
    let is_json = is_json_media_type(&reply.content_type) && codec::is_shown_as_json(&reply.data);
    if is_json {
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(&reply.data);
    } else {
        out.extend_from_slice(br#","dataBase64":"#);
        json::string(out, &STANDARD.encode(&reply.data));
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use triphammer_model::{RevisionId, Seq};
    use triphammer_pipeline::Status;

    use super::*;
    use crate::describe::{Receipts, contract};

    fn receipt() -> Receipt {
        Receipt {
            seq: Seq::new(42).unwrap(),
            id: "a\"b".into(),
            source: "/s".into(),
            duplicate: false,
            differs: false,
            functions: vec!["welcome".parse().unwrap(), "audit".parse().unwrap()],
            dead: Vec::new(),
        }
    }

    fn error(code: &str) -> ErrorInfo {
        ErrorInfo { code: code.into(), message: "no \"x\"".into() }
    }

    #[track_caller]
    fn check(receipt: Receipt, results: Option<Vec<Settled>>, expect: &str) {
        let results = results.map(|results| vec![results]);
        let out = write(&[receipt], results.as_deref());
        contract::check_written::<Receipts>(std::str::from_utf8(&out).unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), format!(r#"{{"events":[{expect}]}}"#));
    }

    #[test]
    fn receipts_have_the_shape_of_the_contract() {
        assert_eq!(write(&[], None), br#"{"events":[]}"#);
        check(
            receipt(),
            None,
            concat!(
                r#"{"id":"a\"b","source":"/s","seq":"42","duplicate":false,"#,
                r#""functions":["welcome","audit"]}"#,
            ),
        );
        check(
            Receipt { duplicate: true, differs: true, functions: Vec::new(), ..receipt() },
            None,
            concat!(
                r#"{"id":"a\"b","source":"/s","seq":"42","duplicate":true,"differs":true,"#,
                r#""functions":[]}"#,
            ),
        );
        let dead = vec![("welcome".parse().unwrap(), error("route.key_missing"))];
        check(
            Receipt { dead, functions: vec!["welcome".parse().unwrap()], ..receipt() },
            None,
            concat!(
                r#"{"id":"a\"b","source":"/s","seq":"42","duplicate":false,"#,
                r#""functions":["welcome"],"dead":[{"function":"welcome","#,
                r#""error":{"code":"route.key_missing","message":"no \"x\""}}]}"#,
            ),
        );
    }

    fn result(reply: Option<(&str, &'static [u8])>) -> DeliveryResult {
        DeliveryResult {
            function: "welcome".parse().unwrap(),
            revision: RevisionId::new(3),
            status: Status::Committed,
            attempts: 1,
            reply: reply.map(|(content_type, data)| Reply {
                content_type: content_type.into(),
                data: Bytes::from_static(data),
            }),
            error: None,
        }
    }

    #[track_caller]
    fn check_result(result: DeliveryResult, expect: &str) {
        let head = r#"{"id":"a\"b","source":"/s","seq":"42","duplicate":false,"functions":[],"#;
        let receipt = Receipt { functions: Vec::new(), ..receipt() };
        let result = Settled { result, emitted: None };
        check(receipt, Some(vec![result]), &format!("{head}\"results\":[{expect}]}}"));
    }

    #[test]
    fn what_was_emitted_is_nested() {
        let inner = Settled { result: result(None), emitted: None };
        let child = Emitted {
            seq: Seq::new(43).unwrap(),
            ty: "t".into(),
            id: "i".into(),
            results: vec![inner],
        };
        let settled = Settled { result: result(None), emitted: Some(vec![child]) };
        let mut out = Vec::new();
        write_settled(&mut out, &settled);
        let one = r#"{"function":"welcome","revision":"r3","status":"committed","attempts":1"#;
        let child = format!(r#"{{"seq":"43","type":"t","id":"i","results":[{one}}}]}}"#);
        assert_eq!(String::from_utf8(out).unwrap(), format!(r#"{one},"emitted":[{child}]}}"#));
    }

    #[test]
    fn results_have_the_shape_of_the_contract() {
        let head = r#"{"function":"welcome","revision":"r3","status":"committed","attempts":1"#;
        check_result(result(None), &format!("{head}}}"));
        check_result(
            result(Some(("application/json", b"{\"a\": 1.0}"))),
            &format!(
                r#"{head},"reply":{{"contentType":"application/json","data":{{"a": 1.0}}}}}}"#
            ),
        );
        for (media, data) in [("text/plain", &b"hi"[..]), ("application/json", b"{")] {
            let base64 = STANDARD.encode(data);
            let reply = format!(r#"{{"contentType":"{media}","dataBase64":"{base64}"}}"#);
            check_result(result(Some((media, data))), &format!(r#"{head},"reply":{reply}}}"#));
        }
        let dead = DeliveryResult {
            revision: None,
            status: Status::Dead,
            attempts: 0,
            error: Some(error("invoke.trap")),
            ..result(None)
        };
        check_result(
            dead,
            concat!(
                r#"{"function":"welcome","revision":null,"status":"dead","attempts":0,"#,
                r#""error":{"code":"invoke.trap","message":"no \"x\""}}"#,
            ),
        );
    }
}
