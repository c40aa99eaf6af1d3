//! Requests made ready once: for each use, only ids and subjects are written over.

use serde_json::json;

use super::Error;

/// How events are put into requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Attributes as headers, the payload as body.
    Binary,
    /// The event as one JSON object.
    Structured,
    /// That many events as a JSON array.
    Batch(usize),
}

/// What does not change from request to request.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) authority: String,
    /// `/events`, with the prefix of the host's URL.
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) ty: String,
    /// Ids begin with it, so no two runs have one in common.
    pub(crate) run: String,
    pub(crate) subjects: u64,
    /// Each event has a priority of its own, all ten of them in turn.
    pub(crate) priorities: bool,
    /// How long after its acceptance each event may run.
    pub(crate) delay_ms: Option<u64>,
    /// A JSON text.
    pub(crate) payload: String,
    /// Ask to be answered when the events are settled, in so many seconds at most.
    pub(crate) wait_s: Option<u64>,
}

/// One connection's request: the bytes, and where the changing digits are.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    events: Vec<Digits>,
    subjects: u64,
    subject_width: usize,
}

/// Where one event's digits are in the request.
#[derive(Clone, Copy, Debug)]
struct Digits {
    id: usize,
    subject: usize,
    priority: Option<usize>,
}

/// Events in one run that can be told apart.
const ID_WIDTH: usize = 10;
/// Stand in for digits until they are found. Nothing else in a template is allowed to have them.
const ID_MARK: char = '\u{1}';
const SUBJECT_MARK: char = '\u{2}';
const PRIORITY_MARK: char = '\u{3}';

impl Template {
    pub(super) fn request(&self) -> Result<Request, Error> {
        self.check()?;
        let subject_width = self.subjects.saturating_sub(1).max(1).ilog10() as usize + 1;
        let id = format!("{}-{}", self.run, ID_MARK.to_string().repeat(ID_WIDTH));
        let subject = format!("s-{}", SUBJECT_MARK.to_string().repeat(subject_width));
        let (content_type, attributes, body) = match self.mode {
            Mode::Binary => {
                let mut attributes = format!(
                    "ce-specversion: 1.0\r\nce-id: {id}\r\nce-source: /bench\r\nce-type: {}\r\nce-subject: {subject}\r\n",
                    self.ty
                );
                for (name, value) in self.extensions() {
                    attributes.push_str(&format!("ce-{name}: {value}\r\n"));
                }
                ("application/json", attributes, self.payload.clone())
            }
            Mode::Structured => {
                ("application/cloudevents+json", String::new(), self.event(&id, &subject))
            }
            Mode::Batch(size) => {
                let body = vec![self.event(&id, &subject); size].join(",");
                ("application/cloudevents-batch+json", String::new(), format!("[{body}]"))
            }
        };
        let mut head = format!("POST {} HTTP/1.1\r\nhost: {}\r\n", self.path, self.authority);
        if let Some(token) = &self.token {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        if let Some(seconds) = self.wait_s {
            head.push_str(&format!("prefer: wait={seconds}\r\n"));
        }
        let length = body.len();
        let text = format!(
            "{head}content-type: {content_type}\r\n{attributes}content-length: {length}\r\n\r\n{body}"
        );
        let events = digits(text.as_bytes());
        Ok(Request { bytes: text.into_bytes(), events, subjects: self.subjects, subject_width })
    }

    /// The event as JSON, with the payload as it is and the marks unescaped.
    fn event(&self, id: &str, subject: &str) -> String {
        let ty = json!(self.ty);
        let extension = |(name, value)| format!(r#""{name}":"{value}","#);
        let extensions: String = self.extensions().map(extension).collect();
        let payload = &self.payload;
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/bench","type":{ty},"subject":"{subject}",{extensions}"datacontenttype":"application/json","data":{payload}}}"#
        )
    }

    fn extensions(&self) -> impl Iterator<Item = (&'static str, String)> {
        let priority = self.priorities.then(|| ("priority", PRIORITY_MARK.to_string()));
        let delay = self.delay_ms.map(|ms| ("delay", format!("{ms}ms")));
        priority.into_iter().chain(delay)
    }

    /// What goes into headers, and must not be confused with a mark.
    fn check(&self) -> Result<(), Error> {
        let printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        for (what, text) in [
            ("the type", Some(&self.ty)),
            ("the token", self.token.as_ref()),
            ("the run's name", Some(&self.run)),
        ] {
            if !text.is_none_or(|text| printable(text)) {
                return Err(Error::Text { what });
            }
        }
        // Valid JSON has no unescaped control characters inside, only white space between.
        match self.payload.contains([ID_MARK, SUBJECT_MARK, PRIORITY_MARK]) {
            true => Err(Error::Text { what: "the payload" }),
            false => Ok(()),
        }
    }
}

fn digits(bytes: &[u8]) -> Vec<Digits> {
    let starts = |mark: char| {
        let is_mark = move |b: &u8| char::from(*b) == mark;
        let first = move |at: &usize| is_mark(&bytes[*at]) && !is_mark(&bytes[*at - 1]);
        (1..bytes.len()).filter(first).collect::<Vec<_>>()
    };
    let pairs = starts(ID_MARK).into_iter().zip(starts(SUBJECT_MARK));
    let priorities = starts(PRIORITY_MARK);
    let digits = |(n, (id, subject))| Digits { id, subject, priority: priorities.get(n).copied() };
    pairs.enumerate().map(digits).collect()
}

impl Request {
    /// Events in each request.
    pub(super) fn events(&self) -> u64 {
        self.events.len() as u64
    }

    /// Makes it the request with the events from number `first` on.
    pub(super) fn number(&mut self, first: u64) {
        for (number, at) in (first..).zip(&self.events) {
            write_digits(&mut self.bytes[at.id..at.id + ID_WIDTH], number);
            let subject = scatter(number) % self.subjects.max(1);
            write_digits(&mut self.bytes[at.subject..at.subject + self.subject_width], subject);
            if let Some(at) = at.priority {
                write_digits(&mut self.bytes[at..=at], number);
            }
        }
    }
}

fn write_digits(into: &mut [u8], mut value: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Spreads consecutive numbers evenly and without order (SplitMix64's last step).
fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(mode: Mode) -> Template {
        Template {
            authority: "h:1".into(),
            path: "/events".into(),
            token: Some("secret".into()),
            mode,
            ty: "bench.event".into(),
            run: "run".into(),
            subjects: 100,
            priorities: false,
            delay_ms: None,
            payload: r#"{"amount":1}"#.into(),
            wait_s: Some(5),
        }
    }

    fn text(mode: Mode, first: u64) -> String {
        let mut request = template(mode).request().unwrap();
        request.number(first);
        String::from_utf8(request.bytes).unwrap()
    }

    fn body(text: &str) -> serde_json::Value {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn a_binary_event_is_in_the_headers() {
        let text = text(Mode::Binary, 42);
        for line in ["ce-id: run-0000000042", "authorization: Bearer secret", "prefer: wait=5"] {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{text}");
        }
        assert_eq!(body(&text), serde_json::json!({"amount": 1}));
    }

    #[test]
    fn a_batch_has_consecutive_events_on_scattered_subjects() {
        let batch = body(&text(Mode::Batch(50), 7));
        let batch = batch.as_array().unwrap();
        assert_eq!((batch.len(), &batch[0]["id"]), (50, &"run-0000000007".into()));
        assert_eq!(batch[49]["id"], "run-0000000056");
        let subjects: std::collections::BTreeSet<_> =
            batch.iter().map(|event| event["subject"].as_str().unwrap()).collect();
        assert!(subjects.len() > 25 && subjects.iter().all(|s| s.len() == 4), "{subjects:?}");
    }

    #[test]
    fn priorities_take_turns_and_delays_are_the_same() {
        for mode in [Mode::Binary, Mode::Batch(12)] {
            let template = Template { priorities: true, delay_ms: Some(1500), ..template(mode) };
            let mut request = template.request().unwrap();
            request.number(7);
            let text = String::from_utf8(request.bytes).unwrap();
            match mode {
                Mode::Binary => {
                    assert!(text.contains("\r\nce-priority: 7\r\nce-delay: 1500ms\r\n"), "{text}");
                }
                _ => {
                    let batch = body(&text);
                    let priorities: Vec<_> =
                        (0..12).map(|n| batch[n]["priority"].clone()).collect();
                    assert_eq!((&priorities[0], &priorities[3]), (&"7".into(), &"0".into()));
                    assert_eq!(batch[11]["delay"], "1500ms");
                }
            }
        }
    }

    #[test]
    fn a_structured_event_is_an_object() {
        assert_eq!(body(&text(Mode::Structured, 1))["type"], "bench.event");
    }

    #[test]
    fn what_would_break_the_request_is_refused() {
        let mut bad = template(Mode::Binary);
        bad.ty = "a\r\nb".into();
        assert!(bad.request().is_err());
        let mut bad = template(Mode::Binary);
        bad.token = Some("a b".into());
        assert!(bad.request().is_err());
    }
}
