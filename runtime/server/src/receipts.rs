//! Receipts as JSON, written by hand: one for every event that comes in.

use triphammer_model::{ErrorInfo, Reply, is_json_media_type};
use triphammer_pipeline::{DeliveryResult, Receipt};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::json;

/// `{"events":[…]}`; `results` are by receipt, where the sender waited for them.
pub(crate) fn write(receipts: &[Receipt], results: Option<&[Vec<DeliveryResult>]>) -> Vec<u8> {
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

fn write_one(out: &mut Vec<u8>, receipt: &Receipt, results: Option<&[DeliveryResult]>) {
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
        json::array(out, results, write_result);
    }
    out.push(b'}');
}

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
    out.push(b'}');
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
    let is_json = is_json_media_type(&reply.content_type)
        && serde_json::from_slice::<&RawValue>(&reply.data).is_ok();
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
    fn check(receipt: Receipt, results: Option<Vec<DeliveryResult>>, expect: &str) {
        let results = results.map(|results| vec![results]);
        let out = write(&[receipt], results.as_deref());
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
        check(receipt, Some(vec![result]), &format!("{head}\"results\":[{expect}]}}"));
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
