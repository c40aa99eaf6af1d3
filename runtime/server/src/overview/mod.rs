//! The host at a glance: what it does now, and what it did over the last hours. Keeps samples of the
//! pipeline's own counts; measures nothing itself, and is no part of the way of an event.

mod points;
mod rates;
mod sync;
mod task;
mod view;

pub(crate) use task::{Samples, sample};
pub(crate) use view::{HistoryView, OverviewView, TimesView};
