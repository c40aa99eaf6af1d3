//! What an expression's variables are for one event, and the meter of its loops. Knows nothing of
//! how they are asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use cel::common::types::{CelBool, CelInt, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::STEPS_MAX;
use super::check::{self, DATA, EVENT, Loops};
use crate::view::{Attribute, PayloadError, View};

/// One evaluation. The engine wants it to be shared between threads, though it never is.
pub(super) struct Resolver<'e, 'v> {
    view: &'e View<'v>,
    loops: &'e Loops,
    /// What a mention of the payload costs inside a loop.
    read_cost: usize,
    cost: AtomicUsize,
}

impl<'e, 'v> Resolver<'e, 'v> {
    pub(super) fn new(view: &'e View<'v>, loops: &'e Loops) -> Self {
        // Comparing and searching go through about so many bytes in the time of a node; with a
        // value of another type, comparing copies first.
        let read_cost = 256 + view.event().data().map_or(0, <[u8]>::len) / 16;
        Self { view, loops, read_cost, cost: AtomicUsize::new(0) }
    }

    /// Whether a loop was ended because it took too many steps.
    pub(super) fn is_exhausted(&self) -> bool {
        self.cost.load(Ordering::Relaxed) > STEPS_MAX
    }

    /// True while the loop may go on, else nothing, which is an error that ends it.
    fn meter<'b>(&self, index: usize) -> Option<CowVal<'b, 'b>> {
        let step = self.loops.steps.get(index)?;
        let cost = step.nodes + step.reads * self.read_cost;
        let before = self.cost.fetch_add(cost, Ordering::Relaxed);
        (before + cost <= STEPS_MAX).then(|| CowVal::owned(CelBool::from(true)))
    }

    fn data(&self) -> Option<CowVal<'_, '_>> {
        match self.view.cel_data() {
            Ok(data) => Some(CowVal::Borrowed(data.as_val())),
            Err(PayloadError::Absent) => Some(CowVal::owned(CelNull)),
            Err(_) => None,
        }
    }

    fn event(&self) -> CowVal<'_, '_> {
        let attributes: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = self
            .view
            .texts()
            .filter_map(|(name, _)| Some((name.into(), boxed(self.view.attribute(name)?))))
            .collect();
        CowVal::owned(CelMap::from(attributes))
    }
}

impl VariableResolver for Resolver<'_, '_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match variable {
            DATA => self.data(),
            EVENT => Some(self.event()),
            name => match check::metered(name) {
                Some(index) => self.meter(index),
                None => self.view.attribute(name).map(|value| CowVal::Owned(boxed(value))),
            },
        }
    }
}

fn boxed<'b>(attribute: Attribute<'b>) -> Box<dyn Val + 'b> {
    match attribute {
        Attribute::Text(text) => Box::new(CelString::from(text)),
        Attribute::Integer(number) => Box::new(CelInt::from(i64::from(number))),
        Attribute::Boolean(value) => Box::new(CelBool::from(value)),
    }
}
