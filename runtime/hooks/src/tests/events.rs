//! What events requests become, provider by provider, and what they are answered.

use base64::Engine;
use ring::hmac;
use ring::signature::Ed25519KeyPair;
use triphammer_model::{EventParts, ExtensionValue};

use super::{FORM, JSON, Sample, by_name, hmac_hex, hook};
use crate::Outcome;
use crate::key::BASE64;

/// The sample with another body, signed anew.
fn signed(provider: &str, body: &str) -> Sample {
    let sample = by_name(provider);
    let key = sample.secret.as_bytes();
    let time = sample.now_ms / 1000;
    let sample = Sample { body: body.to_owned(), ..sample };
    match provider {
        "github" => sample
            .with("x-hub-signature-256", &format!("sha256={}", hmac_hex(key, body)))
            .with("content-type", JSON),
        "slack" => {
            let signature = hmac_hex(key, &format!("v0:{time}:{body}"));
            sample.with("x-slack-signature", &format!("v0={signature}")).with("content-type", JSON)
        }
        "paddle" => {
            let signature = hmac_hex(key, &format!("{time}:{body}"));
            sample.with("paddle-signature", &format!("ts={time};h1={signature}"))
        }
        "discord" => {
            // The seed of RFC 8032, section 7.1, test 1.
            let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
            let pair = Ed25519KeyPair::from_seed_unchecked(&hex::decode(seed).unwrap()).unwrap();
            let signature = pair.sign(format!("{time}{body}").as_bytes());
            sample.with("x-signature-ed25519", &hex::encode(signature))
        }
        "hmac" => sample.with("x-signature", &hmac_hex(key, body)),
        "twilio" => {
            let form = crate::form::sorted(&crate::form::parse(body.as_bytes()).unwrap());
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
            let signature = hmac::sign(&key, format!("{}{form}", sample.url).as_bytes());
            sample.with("x-twilio-signature", &BASE64.encode(signature))
        }
        _ => sample,
    }
}

#[track_caller]
fn check_event(event: &EventParts, ty: &str, id: &str, subject: Option<&str>, time: Option<&str>) {
    assert_eq!((event.ty.as_str(), event.id.as_str()), (ty, id));
    assert_eq!((event.subject.as_deref(), event.time.as_deref()), (subject, time));
}

#[test]
fn github_names_its_event_and_action() {
    let id = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    let body = r#"{"action":"opened","repository":{"full_name":"octo/cat"}}"#;
    let request = signed("github", body).with("x-github-event", "pull_request");
    let event = request.clone().with("x-github-hook-id", "7").event();
    check_event(&event, "github.pull_request.opened", id, Some("octo/cat"), None);
    assert_eq!(event.datacontenttype.as_deref(), Some(JSON));
    let text = |text: &str| ExtensionValue::Text(text.into());
    let kept = [("hdrxgithubevent", text("pull_request")), ("hdrxgithubhookid", text("7"))];
    assert_eq!(event.extensions, kept.map(|(name, value)| (name.to_owned(), value)));
    // The other way in which GitHub can be told to send.
    let form = r#"payload=%7B%22action%22%3A%22opened%22%7D"#;
    let form = signed("github", form).with("content-type", FORM);
    check_event(
        &form.with("x-github-event", "issues").event(),
        "github.issues.opened",
        id,
        None,
        None,
    );
    check_event(
        &signed("github", "{}").with("x-github-event", "ping").event(),
        "github.ping",
        id,
        None,
        None,
    );
    signed("github", "{}").with("content-type", "text/plain").refused("hook.content_type");
    signed("github", "{").refused("hook.body_malformed");
    signed("github", "{}").with("x-github-event", "").refused("hook.type_missing");
}

#[test]
fn a_delivery_without_an_id_has_its_body_s() {
    let mut request = signed("github", "{}");
    request.headers.retain(|(name, _)| *name != "x-github-delivery");
    let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    check_event(&request.event(), "github.push", digest, None, None);
}

#[test]
fn stripe_shopify_and_paddle_name_everything() {
    let time = Some("2017-04-21T11:36:10.000Z");
    check_event(&by_name("stripe").event(), "stripe.invoice.paid", "evt_1", Some("in_1"), time);
    let shopify = by_name("shopify").with("x-shopify-triggered-at", "2026-01-02T03:04:05.6Z");
    let event = shopify.event();
    let id = "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043";
    let time = Some("2026-01-02T03:04:05.6Z");
    check_event(&event, "shopify.orders.create", id, Some("gid://shopify/Order/1"), time);
    assert_eq!(event.extensions.len(), 2);
    let body = r#"{"event_id":"evt_2","event_type":"transaction.completed",
                   "occurred_at":"2026-01-02T03:04:05Z","data":{"id":"txn_1"}}"#;
    let time = Some("2026-01-02T03:04:05Z");
    let paddle = signed("paddle", body).event();
    check_event(&paddle, "paddle.transaction.completed", "evt_2", Some("txn_1"), time);
}

#[test]
fn slack_is_answered_and_its_events_are_told_apart() {
    let body =
        r#"{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7"}"#;
    let answer = signed("slack", body).answer();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content_type.unwrap(), "text/plain; charset=utf-8");
    assert_eq!(answer.body, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7");
    // Who is not Slack gets no echo.
    let forged = signed("slack", body).with("x-slack-signature", "v0=00");
    forged.refused("hook.signature_wrong");
    let body = r#"{"type":"event_callback","event_id":"Ev1","event_time":1531420618,
                   "event":{"type":"app_mention","channel":"C1"}}"#;
    let time = Some("2018-07-12T18:36:58.000Z");
    check_event(&signed("slack", body).event(), "slack.app_mention", "Ev1", Some("C1"), time);
    let command = by_name("slack");
    let id = "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let event = command.event();
    check_event(&event, "slack.command.webhook-collect", id, Some("G8PSS9T3V"), None);
    let body = "payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%22t%22%7D";
    let action = signed("slack", body).with("content-type", FORM);
    check_event(&action.event(), "slack.block_actions", "t", None, None);
    let Outcome::Event(verified) = command.verify().unwrap() else { panic!() };
    let reply = verified.reply.unwrap();
    assert_eq!((reply.status.as_u16(), reply.body.as_ref()), (200, &b""[..]));
}

#[test]
fn discord_is_answered_as_it_asks() {
    let ping = signed("discord", r#"{"type":1,"id":"1"}"#).answer();
    assert_eq!((ping.status.as_u16(), ping.body.as_ref()), (200, &br#"{"type":1}"#[..]));
    assert_eq!(ping.content_type.unwrap(), JSON);
    let ping = signed("discord", r#"{"version":1,"type":0}"#).answer();
    assert_eq!((ping.status.as_u16(), ping.body.as_ref()), (204, &b""[..]));
    let reply = |body: &str| match signed("discord", body).verify().unwrap() {
        Outcome::Event(verified) => (verified.parts, verified.reply.unwrap()),
        Outcome::Answer(reply) => panic!("{reply:?}"),
    };
    let (event, answer) = reply(&by_name("discord").body);
    assert_eq!(
        (event.ty.as_str(), event.subject.as_deref()),
        ("discord.entitlement_create", Some("7"))
    );
    assert_eq!(answer.status, 204);
    let of = |ty: u8| {
        format!(r#"{{"type":{ty},"id":"9","data":{{"name":"blep"}},"user":{{"id":"8"}}}}"#)
    };
    for (ty, body) in [
        (2, r#"{"type":5}"#),
        (3, r#"{"type":6}"#),
        (4, r#"{"type":8,"data":{"choices":[]}}"#),
        (5, r#"{"type":5}"#),
    ] {
        let (event, answer) = reply(&of(ty));
        check_event(&event, "discord.interaction.blep", "9", Some("8"), None);
        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, body.as_bytes()));
    }
}

#[test]
fn twilio_gets_its_markup() {
    let check = |body: &str, ty: &str, subject: &str| {
        let request = signed("twilio", body).with("i-twilio-idempotency-token", "i");
        let Outcome::Event(verified) = request.verify().unwrap() else { panic!() };
        assert_eq!(verified.reply.unwrap().body, "<Response/>");
        check_event(&verified.parts, ty, "i", Some(subject), None);
    };
    check("MessageSid=SM1&MessageStatus=delivered&SmsStatus=x", "twilio.message.delivered", "SM1");
    check("MessageSid=SM1&SmsStatus=received", "twilio.message.received", "SM1");
    check("CallSid=CA1&CallStatus=in-progress", "twilio.call.in-progress", "CA1");
    check("CallSid=CA1", "twilio.webhook", "CA1");
}

#[test]
fn gitlab_names_its_kind() {
    let event = by_name("gitlab").event();
    check_event(&event, "gitlab.merge_request.open", "f5e5f430-f57b", Some("a/b"), None);
    check_event(&by_name("gitlab-signed").event(), "gitlab.push", "f5e5f430-f57b", None, None);
    let system = Sample { body: r#"{"event_name":"project_create"}"#.into(), ..by_name("gitlab") };
    assert_eq!(system.event().ty, "gitlab.project_create");
    let odd = Sample { body: "{}".into(), ..by_name("gitlab") };
    assert_eq!(odd.event().ty, "gitlab.merge_request_hook");
}

#[test]
fn anyone_else_says_what_it_likes() {
    check_event(&by_name("hmac").event(), "hmac.a", "1", None, None);
    let body = r#"{"event":"Order/Paid","subject":"o-1"}"#;
    check_event(&signed("hmac", body).event(), "hmac.order.paid", "1", Some("o-1"), None);
    let header = signed("hmac", body).with("x-event-type", "made");
    assert_eq!(header.event().ty, "hmac.made");
    assert_eq!(by_name("basic").event().ty, "basic.webhook");
    let standard = by_name("standard-webhooks").event();
    assert_eq!(
        (standard.ty.as_str(), standard.datacontenttype.as_deref()),
        ("standard-webhooks.webhook", Some("application/octet-stream"),)
    );
}

#[test]
fn an_empty_body_is_none() {
    let event = signed("hmac", "").event();
    assert_eq!((event.data, event.datacontenttype.as_deref()), (None, Some(JSON)));
}

#[test]
fn ids_and_types_from_outside_are_checked() {
    let long = "a".repeat(513);
    signed("hmac", "{}").with("idempotency-key", &long).refused("hook.id_malformed");
    signed("hmac", "{}").with("x-event-type", &long).refused("hook.type_malformed");
    signed("hmac", r#"{"type":"/"}"#).refused("hook.type_missing");
    signed("hmac", "{}").with("x-event-type", "\u{fc}").refused("hook.header_malformed");
    let slack = signed("slack", r#"{"type":"a","event_id":"a\nb"}"#);
    slack.refused("hook.id_malformed");
    let ty = "provider='hmac'\nsecrets=['x']\ntype='{json:/type}'";
    let hook = hook(ty, &["key"]).unwrap();
    let of = |body: &str| {
        let sample = signed("hmac", body);
        let outcome = sample.verify_with(&hook, &sample.header_map(), sample.body.as_bytes());
        outcome.map(|_| ()).map_err(|refused| (refused.code(), refused.status().as_u16()))
    };
    assert_eq!(of(r#"{"type":"order"}"#), Ok(()));
    assert_eq!(of(r#"{"type":"Triphammer/delivery"}"#), Err(("hook.type_reserved", 403)));
    assert_eq!(of(r#"{"type":".triphammer.a"}"#), Err(("hook.type_reserved", 403)));
    assert_eq!(of("{}"), Err(("hook.type_missing", 400)));
}

const ACME: &str = r#"
        secrets = ["env:ACME"]
        [provider]
        signed = "{header:X-Acme-Host}\n{timestamp}\n{body}"
        tolerance = "30s"
        [provider.signature]
        header = "X-Acme-Proof"
        format = "pairs"
        separator = "&"
        part = "s"
        algorithm = "hmac-sha512"
        encoding = "base64"
        secret = "hex"
        [provider.timestamp]
        header = "X-Acme-Time"
        unit = "ms"
        [provider.event]
        type = "{query:kind}"
    "#;

#[test]
fn a_provider_can_be_written_out() {
    let hook = hook(ACME, &["00ff"]).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA512, &[0, 0xff]);
    let proof = BASE64.encode(hmac::sign(&key, b"a\n1700000000123\nhello"));
    let sample = Sample {
        url: "https://example.com/?kind=Greeting",
        headers: vec![
            ("x-acme-proof", format!("x=1&s={proof}")),
            ("x-acme-host", "a".into()),
            ("x-acme-time", "1700000000123".into()),
        ],
        body: "hello".into(),
        now_ms: 1_700_000_030_123,
        ..by_name("hmac")
    };
    let verify =
        |sample: &Sample| sample.verify_with(&hook, &sample.header_map(), sample.body.as_bytes());
    let Outcome::Event(verified) = verify(&sample).unwrap() else { panic!() };
    assert_eq!((verified.parts.ty.as_str(), verified.reply), ("h.greeting", None));
    let code = |sample: Sample| verify(&sample).unwrap_err().code();
    assert_eq!(code(sample.clone().with("x-acme-host", "b")), "hook.signature_wrong");
    assert_eq!(code(Sample { now_ms: sample.now_ms + 1, ..sample }), "hook.timestamp_stale");
}
