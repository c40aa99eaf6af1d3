// Tables that keys walk through, and the links between their pages. Knows no host.

import { h, to } from "./dom.js";

/// `columns` are `{ label, cell(row), num, wide }`: `wide` ones are left out on a narrow screen.
/// A row's first link is where Enter leads.
export function table(columns, rows, { caption, rowClass } = {}) {
  const head = columns.map((column) => h("th", { scope: "col", class: classes(column) }, column.label));
  const body = rows.map((row) => {
    const cells = columns.map((column) => h("td", { class: classes(column) }, column.cell(row)));
    return h("tr", { class: rowClass?.(row), "data-row": true }, cells);
  });
  return h(
    "div",
    { class: "scroll" },
    h("table", { "aria-label": caption }, h("thead", null, h("tr", null, head)), h("tbody", null, body)),
  );
}

function classes({ num, wide, cls }) {
  return [num && "num", wide && "wide", cls].filter(Boolean).join(" ") || null;
}

/// A list of names and values.
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h(
    "dl",
    { class: "facts" },
    shown.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))),
  );
}

/// Links to the first and the next page of a list that has cursors.
export function pager(path, query, cursor) {
  if (!cursor && !query.cursor) return null;
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages of this list" },
    query.cursor ? h("a", { href: to(path, { ...query, cursor: null }) }, "First page") : null,
    cursor ? h("a", { href: to(path, { ...query, cursor }), rel: "next" }, "Next page") : h("span", null, "End of the list"),
  );
}

/// A word about how something stands, in its colour.
export function chip(text, tone = "") {
  return h("span", { class: `chip ${tone}` }, text);
}

const TONES = {
  committed: "good", ready: "", running: "accent", waiting: "wait", blocked: "wait", retry: "wait",
  retried: "wait", dead: "bad", failed: "bad", dropped: "dim", expired: "dim", done: "good",
  cancelled: "dim", open: "bad", closed: "good", "half-open": "wait", accepted: "accent",
};

/// A status of the API.
export function status(text) {
  return chip(text, TONES[text] ?? "");
}
