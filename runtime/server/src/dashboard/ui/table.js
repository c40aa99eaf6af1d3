// Tables that keys walk through, and the links between their pages. Knows no host.

import { h, to } from "./dom.js";

/// `columns` are `{ label, cell(row), num, wide, full }`: on a narrow screen `wide` ones are left
/// out, and `full` ones have a line of their own.
/// A row's first link is where Enter leads.
export function table(columns, rows, { caption } = {}) {
  const head = columns.map((column) =>
    h("th", { scope: "col", role: "columnheader", class: classes(column) }, column.label),
  );
  const body = rows.map((row) => {
    const cell = (column) =>
      h("td", { class: classes(column), role: "cell", "data-label": column.label }, column.cell(row));
    return h("tr", { role: "row", "data-row": true }, columns.map(cell));
  });
  // A narrow screen shows each row as a card, which takes the roles away from the elements.
  const table = h(
    "table",
    { role: "table", class: "rows", "aria-label": caption },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h("tbody", { role: "rowgroup" }, body),
  );
  return h("div", { class: "scroll" }, table);
}

function classes({ num, wide, full, cls }) {
  return [num && "num", wide && "wide", full && "full", cls].filter(Boolean).join(" ") || null;
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
    cursor
      ? h("a", { href: to(path, { ...query, cursor }), rel: "next" }, "Next page")
      : h("span", null, "End of the list"),
  );
}

/// A word about how something stands, in its colour.
export function chip(text, tone = "") {
  return h("span", { class: `chip ${tone}` }, text);
}

const TONES = {
  committed: "good",
  ready: "",
  running: "accent",
  waiting: "wait",
  blocked: "wait",
  retry: "wait",
  retried: "wait",
  dead: "bad",
  failed: "bad",
  dropped: "dim",
  expired: "dim",
  done: "good",
  cancelled: "dim",
  open: "bad",
  closed: "good",
  "half-open": "wait",
  accepted: "accent",
};

/// A status of the API.
export function status(text) {
  return chip(text, TONES[text] ?? "");
}
