//! Requests that providers publish, or that others than this crate have signed.

use super::{FORM, JSON, Sample, by_name, sample, samples};
use crate::builtin_providers;

/// From the providers' own pages and libraries.
pub(super) fn published() -> Vec<Sample> {
    // "Testing the webhook payload validation" of GitHub's "Validating webhook deliveries".
    let github = sample(
        "github",
        "It's a Secret to Everybody",
        &[
            (
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            ),
            ("x-github-event", "push"),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("content-type", FORM),
        ],
        "Hello, World!",
        0,
    );
    [standard(), vec![github, slack(), paddle(), twilio(), twilio_json()]].concat()
}

fn standard() -> Vec<Sample> {
    // libraries/javascript/src/webhook.test.ts of standard-webhooks, "sign function works".
    let standard = sample(
        "standard-webhooks",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        &[
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
        ],
        r#"{"test": 2432232314}"#,
        1_614_265_330,
    );
    // rust/src/webhooks.rs of svix-webhooks, "test_sign".
    let svix = sample(
        "svix",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        &[
            ("svix-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
            ("svix-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
            ("svix-timestamp", "1649367553"),
        ],
        r#"{"email":"test@example.com","username":"test_user"}"#,
        1_649_367_553,
    );
    [standard, svix].map(|sample| Sample { proven: 3, ..sample }).into()
}

/// The worked example of Slack's "Verifying requests from Slack".
fn slack() -> Sample {
    let slack = sample(
        "slack",
        "8f742231b10e8888abcd99yyyzzz85a5",
        &[
            (
                "x-slack-signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            ),
            ("x-slack-request-timestamp", "1531420618"),
            ("content-type", FORM),
        ],
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
         &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
         &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2F\
         commands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
         &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        1_531_420_618,
    );
    Sample { proven: 2, ..slack }
}

/// webhooks-validator.node.test.ts of paddle-node-sdk, "Valid signature".
fn paddle() -> Sample {
    sample(
        "paddle",
        "VALID_SECRET",
        &[
            (
                "paddle-signature",
                "ts=1698796800;\
                 h1=a300428748dce5c70e4da19bffd60769591ea969c99dea3105d0ec9612cf43f9",
            ),
            ("content-type", JSON),
        ],
        r#"{"data": ["1", "2"]}"#,
        1_698_796_800,
    )
}

/// The worked example of Twilio's "Secure webhooks", its fields as they come.
fn twilio() -> Sample {
    let twilio = sample(
        "twilio",
        "12345",
        &[("x-twilio-signature", "L/OH5YylLD5NRKLltdqwSvS0BnU="), ("content-type", FORM)],
        "To=%2B18005551212&CallSid=CA1234567890ABCDE&From=%2B14158675310&Digits=1234\
         &Caller=%2B14158675310",
        0,
    );
    // Of a form, its fields are proven and not their spelling: that has tests of its own.
    Sample { url: "https://example.com/myapp.php?foo=1&bar=2", body_proven: false, ..twilio }
}

/// tests/unit/test_request_validator.py of twilio-python, "test_validation_of_body_succeeds".
fn twilio_json() -> Sample {
    let twilio = sample(
        "twilio",
        "12345",
        &[("x-twilio-signature", "a9nBmqA0ju/hNViExpshrM61xv4="), ("content-type", JSON)],
        r#"{"property": "value", "boolean": true}"#,
        0,
    );
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2\
               &bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    Sample { url, ..twilio }
}

/// Signed with Python's `hmac`, or with `openssl pkeyutl -sign -rawin` and the key of RFC 8032,
/// section 7.1, test 1, whose public half is the secret here.
pub(super) fn computed() -> Vec<Sample> {
    let stripe = sample(
        "stripe",
        "whsec_test_secret",
        &[
            (
                "stripe-signature",
                "t=1492774577,\
                 v1=7f2c398d445233ba2c15840c766a712e041f09fd122015fefdb92b280d145160",
            ),
            ("content-type", "application/json; charset=utf-8"),
        ],
        r#"{"id":"evt_1","type":"invoice.paid","created":1492774570,"data":{"object":{"id":"in_1"}}}"#,
        1_492_774_577,
    );
    let shopify = sample(
        "shopify",
        "hush",
        &[
            ("x-shopify-hmac-sha256", "moyaqvDj4+BFLwlIgAyXIkCSgNL6RMm6bz8JO2lPeRI="),
            ("x-shopify-topic", "orders/create"),
            ("x-shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
            ("x-shopify-shop-domain", "cool.myshopify.com"),
            ("content-type", JSON),
        ],
        r#"{"id":1,"admin_graphql_api_id":"gid://shopify/Order/1"}"#,
        0,
    );
    [vec![stripe, shopify], pairs(), gitlab(), generic()].concat()
}

fn pairs() -> Vec<Sample> {
    let discord = sample(
        "discord",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        &[
            (
                "x-signature-ed25519",
                "0dff12a9bd330812dfb800a82cd9b704a33b49926fe4efabe16f720e7ba0356f\
                 500060abc8889252e6760547bea89c427671519c1ab1ca46d864a4b794865d05",
            ),
            ("x-signature-timestamp", "1700000000"),
            ("content-type", JSON),
        ],
        r#"{"type":1,"version":1,"event":{"type":"ENTITLEMENT_CREATE","data":{"user_id":"7"}}}"#,
        1_700_000_000,
    );
    let standard = sample(
        "standard-webhooks",
        "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        &[
            (
                "webhook-signature",
                "v1a,fldxM4gAKugP6nnt1hdz3sgGfZ6d99nzrMFnZOELIxbz\
                 EHoVmAb2ADpkJK7zgPePmPsle0zV9jSeGlHFG2NVAw==",
            ),
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
        ],
        r#"{"test": 2432232314}"#,
        1_614_265_330,
    );
    vec![Sample { proven: 2, ..discord }, Sample { proven: 3, ..standard }]
}

fn gitlab() -> Vec<Sample> {
    let signed = sample(
        "gitlab-signed",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        &[
            ("webhook-signature", "v1,BOME/EMdJTMXwTQ4Rd3oTVFo8hFBp3htlEuyIEXzDco="),
            ("webhook-id", "f5e5f430-f57b"),
            ("webhook-timestamp", "1614265330"),
            ("content-type", JSON),
        ],
        r#"{"object_kind":"push"}"#,
        1_614_265_330,
    );
    let token = sample(
        "gitlab",
        "open sesame",
        &[
            ("x-gitlab-token", "open sesame"),
            ("idempotency-key", "f5e5f430-f57b"),
            ("x-gitlab-event", "Merge Request Hook"),
            ("content-type", JSON),
        ],
        r#"{"object_kind":"merge_request","object_attributes":{"action":"open"},
            "project":{"path_with_namespace":"a/b"}}"#,
        0,
    );
    vec![Sample { proven: 3, ..signed }, Sample { body_proven: false, ..token }]
}

fn generic() -> Vec<Sample> {
    let hmac = sample(
        "hmac",
        "key",
        &[
            ("x-signature", "785f88b2903216ff14c6020afd21326b4c92f9c63d4a30f3a567402baaaafb33"),
            ("idempotency-key", "1"),
            ("content-type", JSON),
        ],
        r#"{"type":"a"}"#,
        0,
    );
    let api_key =
        sample("api-key", "k-1", &[("x-api-key", "k-1"), ("content-type", JSON)], "{}", 0);
    // The example of RFC 7617, section 2.
    let basic = sample(
        "basic",
        "Aladdin:open sesame",
        &[("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), ("content-type", "text/plain")],
        "hello",
        0,
    );
    let token = |sample| Sample { body_proven: false, ..sample };
    vec![hmac, token(api_key), token(basic)]
}

#[test]
fn genuine_requests_are_events() {
    for sample in samples() {
        if sample.provider == "paddle" {
            // What Paddle's library tests with has no type, though it is proven.
            sample.refused("hook.type_missing");
        } else {
            let event = sample.event();
            assert_eq!(event.data.as_deref(), Some(sample.body.as_bytes()));
            assert_eq!(event.source, "/hooks/h");
        }
    }
    for provider in builtin_providers() {
        by_name(provider);
    }
}

#[test]
fn another_secret_proves_nothing() {
    for sample in samples() {
        let secret = match sample.secret {
            text if text.starts_with("whsec_") => "whsec_AAAA",
            text if text.starts_with("whpk_") => {
                "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
            }
            text if text.len() == 64 => {
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
            }
            _ => "another",
        };
        Sample { secret, ..sample }.refused("hook.signature_wrong");
    }
}

#[test]
fn paddle_gives_several_signatures() {
    // webhooks-validator.node.test.ts, "Valid signature with multiple hashes", with the part of
    // the body that makes it an event.
    let body = r#"{"data": "value"}"#;
    let one = "h1=28981e941fae76e53db32f3d2a83cb69db41476595e84e1970a1b5d98f62b261";
    let header = format!("ts=1698796800;{one};{one};h2=RANDOM_HASH");
    let sample = Sample { body: body.into(), ..paddle() };
    // Proven, and refused only later.
    sample.with("paddle-signature", &header).refused("hook.type_missing");
}

#[test]
fn standard_webhooks_gives_several_signatures() {
    // libraries/javascript/src/webhook.test.ts of standard-webhooks, "multi sig payload is valid".
    let other = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    let sample = by_name("standard-webhooks");
    let mine = sample.headers[0].1.clone();
    let header = format!("v1,{other} v2,{other} {mine} v1,{other}");
    sample.clone().with("webhook-signature", &header).event();
    // "verification works with and without signature prefix".
    Sample { secret: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ..sample.clone() }.event();
    sample
        .with("webhook-signature", &mine.replace("v1,", "v2,"))
        .refused("hook.signature_malformed");
}

#[test]
fn twilio_signs_with_a_port_or_without() {
    // tests/unit/test_request_validator.py of twilio-python, from "test_compute_signature" on.
    let body = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212\
                &Caller=%2B14158675309";
    let check = |url: &'static str, signature: &str| {
        let sample = Sample { url, body: body.into(), ..twilio() };
        sample.with("x-twilio-signature", signature).event();
    };
    check("https://mycompany.com/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    check("https://mycompany.com:1234/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    check("http://mycompany.com:1234/myapp.php?foo=1&bar=2", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=");
    check("https://mycompany.com/myapp.php?foo=1&bar=2", "kvajT1Ptam85bY51eRf/AJRuM3w=");
    check("http://mycompany.com/myapp.php?foo=1&bar=2", "0ZXoZLH/DfblKGATFgpif+LLRf4=");
}

#[test]
fn twilio_sorts_values_and_counts_each_once() {
    // tests/unit/test_request_validator.py, "test_compute_signature_duplicate_query_dict".
    let body = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234".into();
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let sample = Sample { url, body, ..twilio() };
    sample.with("x-twilio-signature", "IK+Dwps556ElfBT0I3Rgjkr1wJU=").event();
}
