//! What a sender that waits is told: how the deliveries of its events settled, and those of the
//! events that they emitted, as deep as it asks. Knows nothing of HTTP.
//!
//! The events and what is known of them are a tree. It grows with every commit that emits, and is
//! complete when every delivery in it has settled; a delivery that waits for its time has not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use triphammer_model::{FunctionName, Seq};

use crate::core::Core;
use crate::info::{DeliveryResult, DeliveryStory, Emitted, Receipt, Settled, Status, Story};
use crate::waiters::{Child, Told, Watch};

/// How long a sender waits, and for what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait {
    pub time: Duration,
    /// How many generations of emitted events are waited for.
    pub depth: u8,
}

impl Wait {
    /// The deepest that can be waited for.
    pub const DEPTH_MAX: u8 = 16;
}

/// Events that one sender waits for at the most; who asks for more is told nothing in the end.
const EVENTS_MAX: usize = 10_000;

/// A sender that waits. Dropped, it is forgotten.
pub(crate) struct Waiting {
    core: Arc<Core>,
    watch: Watch,
    told: mpsc::UnboundedReceiver<Told>,
    tree: Tree,
}

#[derive(Default)]
struct Tree {
    nodes: HashMap<Seq, Node>,
    /// Deliveries that have not settled.
    open: usize,
}

#[derive(Default)]
struct Node {
    depth: u8,
    results: BTreeMap<FunctionName, Option<DeliveryResult>>,
    children: BTreeMap<FunctionName, Vec<Child>>,
}

impl Waiting {
    pub(crate) fn new(core: Arc<Core>, depth: u8) -> Self {
        let (sender, told) = mpsc::unbounded_channel();
        let depth = depth.min(Wait::DEPTH_MAX);
        Self { core, watch: Watch { sender, depth }, told, tree: Tree::default() }
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Resolves when everything has settled: the results by receipt. None when that can't be
    /// known.
    pub(crate) async fn results(&mut self, receipts: &[Receipt]) -> Option<Vec<Vec<Settled>>> {
        let depth = self.watch.depth;
        // All are expected before anything is looked up: what is told meanwhile has its place.
        for receipt in receipts {
            self.tree.expect(receipt.seq, depth, &receipt.functions);
        }
        for receipt in receipts.iter().filter(|receipt| receipt.duplicate) {
            self.look_back(receipt.seq, depth).await?;
        }
        while self.tree.open > 0 {
            let told = self.told.recv().await?;
            if let Told::Settled(news) = &told {
                self.core.durable.wait(news.record).await.ok()?;
            }
            self.tree.learn(told);
            if self.tree.nodes.len() > EVENTS_MAX {
                return None;
            }
        }
        Some(receipts.iter().map(|receipt| self.tree.results(receipt.seq)).collect())
    }

    /// What is on record of an earlier event, and of those that came of it. Each is watched
    /// before: what settles while its past is read is told.
    async fn look_back(&mut self, seq: Seq, depth: u8) -> Option<()> {
        let mut left = vec![(seq, depth)];
        while let Some((seq, depth)) = left.pop() {
            if self.tree.nodes.len() > EVENTS_MAX {
                return None;
            }
            self.tree.expect(seq, depth, &[]);
            let watch = Watch { depth, ..self.watch.clone() };
            self.core.lock().waiters.watch(seq, watch);
            // What had settled by then brings no news, so it must be in the past.
            let last = Seq::new(self.core.lock().log.next_seq().get() - 1)?;
            self.core.durable.wait(last).await.ok()?;
            let story = self.core.story(seq).ok()??;
            if depth > 0 {
                left.extend(story.children.iter().map(|child| (child.seq, depth - 1)));
            }
            self.tree.recall(story, depth);
        }
        Some(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut inner = self.core.lock();
        // Closed under the lock: nothing is watched for this sender after what is forgotten here.
        self.told.close();
        while let Ok(told) = self.told.try_recv() {
            if let Told::Emitted(_, children) = told {
                children.iter().for_each(|child| inner.waiters.forget(child.seq));
            }
        }
        self.tree.nodes.keys().for_each(|seq| inner.waiters.forget(*seq));
    }
}

impl Tree {
    fn expect(&mut self, seq: Seq, depth: u8, functions: &[FunctionName]) {
        let node = self.nodes.entry(seq).or_default();
        node.depth = depth;
        for function in functions {
            if !node.results.contains_key(function) {
                node.results.insert(function.clone(), None);
                self.open += 1;
            }
        }
    }

    fn settle(&mut self, seq: Seq, result: DeliveryResult) {
        let Some(node) = self.nodes.get_mut(&seq) else { return };
        if let Some(None) = node.results.insert(result.function.clone(), Some(result)) {
            self.open -= 1;
        }
    }

    fn learn(&mut self, told: Told) {
        match told {
            Told::Settled(news) => self.settle(news.event, news.result),
            Told::Emitted(id, children) => {
                let Some(node) = self.nodes.get_mut(&id.seq) else { return };
                // Told for the sake of a deeper one of two watches.
                let Some(depth) = node.depth.checked_sub(1) else { return };
                node.children.insert(id.function, children.clone());
                children.iter().for_each(|child| self.expect(child.seq, depth, &child.functions));
            }
        }
    }

    fn recall(&mut self, story: Story, depth: u8) {
        let seq = story.seq;
        let functions: Vec<FunctionName> =
            story.deliveries.iter().map(|delivery| delivery.info.id.function.clone()).collect();
        self.expect(seq, depth, &functions);
        let emitted: BTreeMap<Seq, _> =
            story.children.iter().map(|child| (child.seq, &child.event)).collect();
        for delivery in story.deliveries {
            let attempts = delivery.attempts.iter().flat_map(|attempt| &attempt.emitted);
            let child = |seq: &Seq| {
                let event = emitted.get(seq)?;
                let (ty, id) = (event.ty().to_owned(), event.id().to_owned());
                Some(Child { seq: *seq, ty, id, functions: Vec::new() })
            };
            let children: Vec<Child> = attempts.filter_map(child).collect();
            let function = delivery.info.id.function.clone();
            if let Some(node) = self.nodes.get_mut(&seq).filter(|_| depth > 0) {
                node.children.entry(function).or_insert(children);
            }
            if let Some(result) = past(delivery) {
                self.settle(seq, result);
            }
        }
    }

    fn results(&self, seq: Seq) -> Vec<Settled> {
        let Some(node) = self.nodes.get(&seq) else { return Vec::new() };
        let settled = |result: &DeliveryResult| {
            let children = node.children.get(&result.function).map_or(&[][..], Vec::as_slice);
            let emitted = |child: &Child| Emitted {
                seq: child.seq,
                ty: child.ty.clone(),
                id: child.id.clone(),
                results: self.results(child.seq),
            };
            let asked = node.depth > 0 && result.status == Status::Committed;
            Settled {
                result: result.clone(),
                emitted: asked.then(|| children.iter().map(emitted).collect()),
            }
        };
        node.results.values().flatten().map(settled).collect()
    }
}

/// How an earlier event's delivery settled; none for one that is still open.
fn past(delivery: DeliveryStory) -> Option<DeliveryResult> {
    let info = delivery.info;
    let last = delivery.attempts.last();
    let settled = info.status.is_settled() || info.status == Status::Dead;
    settled.then(|| DeliveryResult {
        function: info.id.function,
        revision: last.map(|attempt| attempt.revision),
        status: info.status,
        attempts: info.attempts,
        reply: last.and_then(|attempt| attempt.reply.clone()),
        error: info.error,
    })
}
