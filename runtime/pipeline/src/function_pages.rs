//! Lists functions by name, page by page. Changes nothing.
//!
//! A page is chosen by names alone; what else there is to know, each revision with its manifest, is
//! put together for the functions on the page, part by part, with the lock given back after each.
//! A function that goes meanwhile is left out.

use triphammer_model::FunctionName;

use crate::core::Core;
use crate::error::QueryError;
use crate::info::{FunctionInfo, FunctionPage, FunctionQuery};
use crate::registry::Functions;

/// Functions that are described before the lock is given back.
const PART: usize = 64;

impl Core {
    /// By name.
    pub(crate) fn find_functions(&self, query: &FunctionQuery) -> Result<FunctionPage, QueryError> {
        let after = match &query.cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| QueryError::Cursor(cursor.clone()))?),
            None => None,
        };
        let (names, more) = names(&self.lock().functions, query, after.as_ref());
        let cursor = names.last().filter(|_| more).map(FunctionName::to_string);
        let mut functions = Vec::with_capacity(names.len());
        for part in names.chunks(PART) {
            let (now, inner) = (self.clock.now(), self.lock());
            functions.extend(part.iter().filter_map(|name| inner.live_function(name, now)));
            drop(inner);
            // A lock that is taken again at once is taken before those who wait for it.
            std::thread::yield_now();
        }
        let functions = functions.into_iter().map(|info| self.with_state(info)).collect();
        Ok(FunctionPage { functions, cursor })
    }

    pub(crate) fn function_info(&self, name: &FunctionName) -> Option<FunctionInfo> {
        let now = self.clock.now();
        let info = self.lock().live_function(name, now);
        info.map(|info| self.with_state(info))
    }

    /// Counted without the lock: what expires may have to be looked up on disk.
    fn with_state(&self, info: FunctionInfo) -> FunctionInfo {
        let state = self.state.usage(&info.name, self.clock.now());
        FunctionInfo { state, ..info }
    }
}

/// The names of a page, in their order, and whether there are more behind it.
fn names(
    functions: &Functions,
    query: &FunctionQuery,
    after: Option<&FunctionName>,
) -> (Vec<FunctionName>, bool) {
    let is_asked_for = |name: &FunctionName| {
        let text = name.as_str();
        after.is_none_or(|after| name > after)
            && text.starts_with(&query.prefix)
            && text.contains(&query.contains)
    };
    let live = functions.iter().filter(|(_, function)| !function.definition.deleted);
    let mut found: Vec<_> = live.map(|(name, _)| name).filter(|name| is_asked_for(name)).collect();
    let more = query.limit.is_some_and(|limit| found.len() > limit);
    if let Some(limit) = query.limit.filter(|_| more) {
        // Only those on the page are put in order.
        found.select_nth_unstable(limit);
        found.truncate(limit);
    }
    found.sort_unstable();
    (found.into_iter().cloned().collect(), more)
}

#[cfg(test)]
mod tests {
    use triphammer_journal::Definition;

    use super::*;
    use crate::registry::Function;

    fn functions() -> Functions {
        let of = |(name, deleted): (&str, bool)| {
            let definition = Definition { deleted, ..Definition::default() };
            (name.parse().unwrap(), Function::new(definition))
        };
        let all = ["order-pay", "stock", "order", "mail-order", "order-2", "a"];
        let all = all.into_iter().map(|name| (name, false)).chain([("order-gone", true)]);
        all.map(of).collect()
    }

    #[track_caller]
    fn check(query: FunctionQuery, expect: &str, more: bool) {
        let after = query.cursor.as_ref().map(|cursor| cursor.parse().unwrap());
        let (found, is_more) = names(&functions(), &query, after.as_ref());
        let found: Vec<_> = found.iter().map(FunctionName::as_str).collect();
        assert_eq!((found.join(" ").as_str(), is_more), (expect, more), "{query:?}");
    }

    fn all() -> FunctionQuery {
        FunctionQuery::default()
    }

    #[test]
    fn a_page_is_in_the_order_of_names_and_goes_on_behind_its_cursor() {
        check(all(), "a mail-order order order-2 order-pay stock", false);
        let page = |limit, cursor: Option<&str>| FunctionQuery {
            limit: Some(limit),
            cursor: cursor.map(str::to_owned),
            ..all()
        };
        check(page(2, None), "a mail-order", true);
        check(page(2, Some("mail-order")), "order order-2", true);
        check(page(2, Some("order-2")), "order-pay stock", false);
        check(page(2, Some("stock")), "", false);
        check(page(6, None), "a mail-order order order-2 order-pay stock", false);
        check(page(1, Some("order-gone")), "order-pay", true);
    }

    #[test]
    fn a_part_of_the_name_is_its_beginning_or_anywhere_in_it() {
        let prefix = |text: &str| FunctionQuery { prefix: text.into(), ..all() };
        let contains = |text: &str| FunctionQuery { contains: text.into(), ..all() };
        check(prefix("order"), "order order-2 order-pay", false);
        check(prefix("order-g"), "", false);
        check(prefix("ORDER"), "", false);
        check(contains("order"), "mail-order order order-2 order-pay", false);
        check(FunctionQuery { limit: Some(2), ..contains("order") }, "mail-order order", true);
        check(FunctionQuery { contains: "pay".into(), ..prefix("order") }, "order-pay", false);
    }
}
