//! Branches and leaves of a story, and how they are drawn.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::chain::Chain;
use crate::client::types::{Attempt, DeliveryStory, Story};
use crate::commands::show;
use crate::output::{DIM, NAME, data, millis, one_line, paint, short_time};

/// A line with lines that belong under it.
#[derive(Debug)]
pub(super) struct Tree {
    line: String,
    branches: Vec<Tree>,
}

impl Tree {
    pub(super) fn leaf(line: String) -> Self {
        Self { line, branches: Vec::new() }
    }

    pub(super) fn push(&mut self, branch: Self) {
        self.branches.push(branch);
    }

    pub(super) fn render(&self) -> String {
        let mut text = format!("{}\n", self.line);
        self.render_branches("", &mut text);
        text
    }

    fn render_branches(&self, indent: &str, text: &mut String) {
        for (index, branch) in self.branches.iter().enumerate() {
            let is_last = index + 1 == self.branches.len();
            let (fork, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            text.push_str(&format!("{}{}\n", paint(DIM, format!("{indent}{fork}")), branch.line));
            branch.render_branches(&format!("{indent}{below}"), text);
        }
    }
}

/// Deeper than any chain of events is: a host allows 32 by default.
const DEPTH_MAX: usize = 100;

/// A whole tree of events. The one that was asked for is marked when it is not the root.
pub(super) fn of_chain(chain: &Chain, asked: &str, brief: bool) -> Tree {
    draw(chain, Detail::Deliveries { asked: (asked != chain.root).then_some(asked), brief })
}

/// The same, an event a line with who handled it.
pub(super) fn of_links(chain: &Chain) -> Tree {
    draw(chain, Detail::Links)
}

fn draw(chain: &Chain, detail: Detail<'_>) -> Tree {
    let mut drawing = Drawing { nodes: chain.by_seq(), drawn: HashSet::new(), detail };
    let mut tree = drawing.event(&chain.root, 0);
    if chain.truncated {
        tree.push(Tree::leaf(paint(DIM, "and more, which is not shown here")));
    }
    tree
}

#[derive(Clone, Copy, Debug)]
enum Detail<'c> {
    Links,
    Deliveries {
        /// To be marked.
        asked: Option<&'c str>,
        brief: bool,
    },
}

struct Drawing<'c> {
    nodes: HashMap<&'c str, &'c Story>,
    /// Nothing is drawn twice, whatever the host says came of what.
    drawn: HashSet<&'c str>,
    detail: Detail<'c>,
}

impl<'c> Drawing<'c> {
    /// An event, and each of its children under the delivery that emitted it.
    fn event(&mut self, seq: &'c str, depth: usize) -> Tree {
        let story = self.nodes.get(seq).copied().filter(|_| depth < DEPTH_MAX);
        let Some(story) = story.filter(|_| self.drawn.insert(seq)) else {
            return Tree::leaf(format!("#{seq} {}", paint(DIM, format!("see `trip event {seq}`"))));
        };
        let mut tree = match self.detail {
            Detail::Links => of_link(story),
            Detail::Deliveries { asked, brief } => {
                let mut tree = of_event(story);
                tree.line.push_str(if asked == Some(seq) { " ◀" } else { "" });
                let deliveries = story.deliveries.iter().map(|story| of_delivery(story, brief));
                tree.branches.extend(deliveries);
                tree
            }
        };
        let has_deliveries = !tree.branches.is_empty();
        let mut emitted = HashSet::new();
        for (index, delivery) in story.deliveries.iter().enumerate() {
            let children = delivery.history.iter().flat_map(|attempt| &attempt.emitted);
            for child in children.filter(|child| emitted.insert(child.as_str())) {
                let branch = self.event(child, depth + 1);
                match tree.branches.get_mut(index).filter(|_| has_deliveries) {
                    Some(delivery) => delivery.push(branch),
                    None => tree.push(branch),
                }
            }
        }
        // Children of attempts whose history is not kept.
        for child in story.children.iter().filter(|child| !emitted.contains(child.seq.as_str())) {
            let branch = self.event(&child.seq, depth + 1);
            tree.push(branch);
        }
        tree
    }
}

fn of_event(story: &Story) -> Tree {
    let attribute = |name: &str| story.event[name].as_str().map(one_line).unwrap_or_default();
    let payload = match (&story.event["data"], &story.event["data_base64"]) {
        (Value::Null, Value::Null) => String::new(),
        (Value::Null, Value::String(text)) => crate::output::data_base64(text),
        (value, _) => data(value, show::DATA_MAX),
    };
    let line = format!(
        "{} #{} {} {} {}",
        paint(NAME, attribute("type")),
        story.seq,
        attribute("subject"),
        payload,
        paint(DIM, format_args!("{} {}", story.entrance, short_time(&story.accepted)))
    );
    Tree::leaf(line)
}

/// An event with those who handled it, on one line.
fn of_link(story: &Story) -> Tree {
    let attribute = |name: &str| story.event[name].as_str().map(one_line).unwrap_or_default();
    let handled = story.deliveries.iter().map(|story| {
        let revision = story.history.last().map_or("", |attempt| &attempt.revision);
        let status = show::status(&story.delivery.status);
        format!("{} {revision} {status}", story.delivery.function)
    });
    let handled: Vec<_> = handled.collect();
    let arrow = if handled.is_empty() { "" } else { " → " };
    Tree::leaf(format!(
        "{} #{} {}{arrow}{}",
        paint(NAME, attribute("type")),
        story.seq,
        attribute("subject"),
        handled.join(", ")
    ))
}

fn of_delivery(story: &DeliveryStory, brief: bool) -> Tree {
    let delivery = &story.delivery;
    let mut line = format!("{} {}", delivery.function, show::status(&delivery.status));
    let last = story.history.last();
    if let Some(last) = last {
        line = format!("{} {}", delivery.function, last.revision);
        line.push_str(&format!(" {}", show::status(&delivery.status)));
        if delivery.status == "committed" {
            line.push_str(&paint(DIM, took(last)));
        }
    }
    if let Some(timer) = &delivery.timer {
        line.push_str(&paint(DIM, format_args!(" timer {}", one_line(timer))));
    }
    if let Some(due) = &delivery.due {
        line.push_str(&format!(", due {}", short_time(due)));
    }
    if !matches!(delivery.status.as_str(), "committed" | "dead") && !delivery.reason.is_empty() {
        line.push_str(&paint(DIM, format_args!(" {}", one_line(&delivery.reason))));
    }
    let failed_at_once = delivery.error.as_ref().filter(|_| story.history.is_empty());
    if let Some(error) = failed_at_once {
        line.push_str(&format!(" {}", show::failure(error)));
    }
    let mut tree = Tree::leaf(line);
    for attempt in &story.history {
        push_attempt(&mut tree, attempt, story.history.len() > 1, brief);
    }
    tree
}

/// What an attempt left behind. A single good attempt needs no line of its own.
fn push_attempt(tree: &mut Tree, attempt: &Attempt, several: bool, brief: bool) {
    if several || attempt.error.is_some() {
        let error = attempt.error.as_ref().map(show::failure).unwrap_or_default();
        let status = show::status(&attempt.outcome);
        let Attempt { attempt: number, revision, .. } = attempt;
        let line = format!("attempt {number} {revision} {status}{} {error}", took(attempt));
        tree.push(Tree::leaf(line.trim_end().to_owned()));
    }
    if brief {
        return;
    }
    for line in &attempt.logs {
        tree.push(Tree::leaf(format!("{} {}", paint(DIM, "log"), show::log(line))));
    }
    if attempt.logs_left_out > 0 {
        let left_out = format!("and {} more log lines", attempt.logs_left_out);
        tree.push(Tree::leaf(paint(DIM, left_out)));
    }
    for write in &attempt.state {
        tree.push(Tree::leaf(format!("{} {}", paint(DIM, "state"), show::write(write))));
    }
    if let Some(reply) = &attempt.reply {
        tree.push(Tree::leaf(format!("{} {}", paint(DIM, "reply"), show::reply(reply))));
    }
}

/// ` in 3 ms`, where the times are known.
fn took(attempt: &Attempt) -> String {
    let time = triphammer_model::Timestamp::parse_rfc3339;
    match (time(&attempt.started), time(&attempt.ended)) {
        (Some(started), Some(ended)) => match ended.since(started).as_millis() {
            0 => " in under 1 ms".to_owned(),
            ms => format!(" in {}", millis(ms as f64)),
        },
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(tree: &Tree) -> String {
        anstream::adapter::strip_str(&tree.render()).to_string()
    }

    #[test]
    fn branches_hang_under_their_line() {
        let leaf = |text: &str| Tree::leaf(text.to_owned());
        let mut inner = leaf("b");
        inner.push(leaf("c"));
        let mut tree = leaf("a");
        tree.push(inner);
        tree.push(leaf("d"));
        assert_eq!(plain(&tree), "a\n├─ b\n│  └─ c\n└─ d\n");
    }

    fn node(seq: &str, ty: &str, children: &[&str]) -> Value {
        let at = "2026-01-02T03:04:05.100Z";
        json!({
            "seq": seq, "accepted": at, "entrance": "ingress", "event": {"type": ty},
            "deliveries": [{
                "id": format!("{seq}/f"), "function": "f", "status": "committed", "history": [
                    {"attempt": 1, "revision": "r1", "started": at, "ended": at,
                        "outcome": "committed", "emitted": children},
                ],
            }, {
                "id": format!("{seq}/g"), "function": "g", "status": "blocked",
                "reason": "behind 1/g in its lane", "history": [],
            }],
            "children": [],
        })
    }

    fn chain(nodes: &[Value], truncated: bool) -> Chain {
        let chain = json!({"root": "1", "nodes": nodes, "truncated": truncated});
        serde_json::from_value(chain).unwrap()
    }

    #[test]
    fn a_chain_hangs_under_the_deliveries_that_made_it() {
        let nodes = [node("1", "a", &["2"]), node("2", "b", &["3"])];
        let full = of_chain(&chain(&nodes, true), "2", false);
        assert_eq!(
            plain(&full),
            "a #1   ingress 03:04:05.100\n\
             ├─ f r1 committed in under 1 ms\n\
             │  └─ b #2   ingress 03:04:05.100 ◀\n\
             │     ├─ f r1 committed in under 1 ms\n\
             │     │  └─ #3 see `trip event 3`\n\
             │     └─ g blocked behind 1/g in its lane\n\
             ├─ g blocked behind 1/g in its lane\n\
             └─ and more, which is not shown here\n"
        );
        let links = plain(&of_links(&chain(&nodes, false)));
        assert_eq!(
            links,
            "a #1  → f r1 committed, g  blocked\n\
             └─ b #2  → f r1 committed, g  blocked\n   \
                └─ #3 see `trip event 3`\n"
        );
    }

    #[test]
    fn no_chain_is_too_long_or_goes_round_for_ever() {
        let ring = [node("1", "a", &["2"]), node("2", "b", &["1"])];
        let text = plain(&of_chain(&chain(&ring, false), "1", false));
        assert!(text.contains("#1 see `trip event 1`") && !text.contains('◀'), "{text}");
        let next = |n: u64| node(&n.to_string(), "a", &[&(n + 1).to_string()]);
        let long: Vec<Value> = (1..2_000).map(next).collect();
        let text = plain(&of_chain(&chain(&long, false), "1", true));
        assert!(text.contains("see `trip event 101`"), "{text}");
        assert!(!plain(&of_chain(&chain(&[], false), "1", true)).is_empty());
    }

    #[test]
    fn a_story_has_its_attempts_and_effects() {
        let story: Story = serde_json::from_value(json!({
            "seq": "42", "accepted": "2026-01-02T03:04:05.678Z", "entrance": "ingress",
            "event": {"type": "order.placed", "subject": "o-1", "data": {"a": 1}},
        }))
        .unwrap();
        assert_eq!(
            plain(&of_event(&story)),
            "order.placed #42 o-1 {\"a\":1} ingress 03:04:05.678\n"
        );
        let at = |ms| format!("2026-01-02T03:04:05.{ms}Z");
        let delivery: DeliveryStory = serde_json::from_value(json!({
            "id": "42/orders", "function": "orders", "key": "o-1", "status": "committed", "attempts": 2,
            "history": [
                {"attempt": 1, "revision": "r1", "started": at(100), "ended": at(112), "outcome": "retry",
                    "error": {"code": "invoke.trap", "message": "x"}, "logs": [{"level": "info", "message": "hi"}]},
                {"attempt": 2, "revision": "r2", "started": at(200), "ended": at(200), "outcome": "committed",
                    "state": [{"name": "n", "value": 1}], "emitted": ["43"],
                    "reply": {"contentType": "application/json", "data": "ok"}},
            ],
        }))
        .unwrap();
        assert_eq!(
            plain(&of_delivery(&delivery, false)),
            "orders r2 committed in under 1 ms\n\
             ├─ attempt 1 r1 retry in 12.0 ms invoke.trap x\n\
             ├─ log info hi\n\
             ├─ attempt 2 r2 committed in under 1 ms\n\
             ├─ state n = 1\n\
             └─ reply \"ok\"\n"
        );
        assert_eq!(plain(&of_delivery(&delivery, true)).lines().count(), 3);
    }
}
