// What an event caused, over time: a row for each delivery of the tree, with its waits and its
// attempts. Knows stories of events; asks the host for nothing.

import { h, place, to } from "./dom.js";
import { duration } from "./format.js";
import { status } from "./table.js";
import { scale } from "./scale.js";

/// `nodes` are the stories of the tree, `chosen` the event whose page this is.
export function waterfall(nodes, root, chosen) {
  const rows = rowsOf(nodes, root);
  const now = Date.now();
  for (const row of rows) row.spans = spansOf(row, now);
  const time = scale(rows);
  const list = rows.map((row) => rowOf(row, time, chosen));
  return h("div", { class: "waterfall" }, axis(time), h("ol", null, list));
}

/// Depth first, as causes go. An event with one delivery is one row with it.
function rowsOf(nodes, root) {
  const children = new Map();
  for (const node of nodes) {
    if (node.parent && node.seq !== root) {
      children.set(node.parent, [...(children.get(node.parent) ?? []), node]);
    }
  }
  const rows = [];
  const visit = (node, depth) => {
    const { deliveries } = node;
    const single = deliveries.length <= 1;
    rows.push({ node, delivery: single ? deliveries[0] : null, depth, named: true });
    for (const delivery of deliveries) {
      if (!single) rows.push({ node, delivery, depth: depth + 1, named: false });
      const inner = depth + (single ? 1 : 2);
      for (const child of children.get(delivery.id) ?? []) visit(child, inner);
    }
  };
  const first = nodes.find((node) => node.seq === root);
  if (first) visit(first, 0);
  return rows;
}

/// The waits and attempts of a delivery, as `{ kind, from, till, text }`; an attempt's with it.
export function spansOf({ node, delivery }, now) {
  const accepted = Date.parse(node.accepted);
  if (!delivery) return [{ kind: "event", from: accepted, till: accepted, text: "accepted" }];
  const spans = [];
  let since = accepted;
  for (const attempt of delivery.history) {
    const [from, till] = [Date.parse(attempt.started), Date.parse(attempt.ended)];
    if (from > since)
      spans.push({
        kind: "wait",
        from: since,
        till: from,
        text: waited(spans, delivery, node.event, from - since),
      });
    spans.push({
      attempt,
      kind: attempt.outcome,
      from,
      till,
      text: `attempt ${attempt.attempt} on ${attempt.revision}: ${attempt.outcome}, ${duration(till - from)}`,
    });
    since = till;
  }
  if (isOpen(delivery.status)) {
    const kind = delivery.status === "running" ? "running" : "wait";
    const till = delivery.due ? Math.max(now, Math.min(Date.parse(delivery.due), now + 60_000)) : now;
    spans.push({ kind, from: since, till: Math.max(till, since), text: delivery.reason, open: true });
  }
  return spans.length ? spans : [{ kind: "event", from: accepted, till: accepted, text: delivery.status }];
}

export function isOpen(text) {
  return text === "ready" || text === "running" || text === "waiting" || text === "blocked";
}

/// Why it stood still: between attempts, for its time, or for its turn.
function waited(earlier, delivery, event, ms) {
  const time = duration(ms);
  if (earlier.length) return `waited ${time} to be tried again`;
  if (delivery.timer || event.notbefore || event.delay) return `waited ${time} for its time`;
  return delivery.key
    ? `waited ${time} for its turn, in the lane ${delivery.key}`
    : `waited ${time} for its turn`;
}

function rowOf({ node, delivery, depth, named, spans }, time, chosen) {
  const href = to(["events", node.seq]);
  const here = node.seq === chosen;
  const label = [
    named ? h("a", { href, "aria-current": here ? "true" : null }, node.event.type) : null,
    named ? h("span", { class: "dim" }, ` #${node.seq}`) : null,
    delivery
      ? h("span", { class: "goes" }, " → ", delivery.function)
      : named && node.deliveries.length === 0
        ? h("span", { class: "dim" }, " → nobody")
        : null,
  ];
  const bars = spans.map((span) => bar(span, time));
  const total = delivery ? spans.reduce((sum, span) => sum + span.till - span.from, 0) : null;
  const end = delivery ? [status(delivery.status), h("span", { class: "took" }, duration(total))] : null;
  const line = h(
    "li",
    { class: here ? "here" : null, "data-row": true },
    h("span", { class: "what" }, label),
    h("span", { class: "track", "aria-label": spans.map((span) => span.text).join("; "), role: "img" }, bars),
    h("span", { class: "end" }, end),
  );
  return place(line, { depth: String(Math.min(depth, 8)) });
}

function bar({ kind, from, till, text, open }, time) {
  const x = time.at(from);
  const element = h("i", { class: `bar ${kind}${open ? " open" : ""}`, title: text });
  return place(element, { x: `${x}%`, w: `${Math.max(0, time.at(till) - x)}%` });
}

function axis(time) {
  const marks = time.marks.map(({ at, text, cut }) => {
    const side = at > 85 ? " left" : "";
    return place(
      h(
        "span",
        { class: (cut ? "cut" : "mark") + side, title: cut ? "nothing ran in this time" : null },
        text,
      ),
      { x: `${at}%` },
    );
  });
  return h(
    "div",
    { class: "axis", "aria-hidden": "true" },
    h("span", { class: "what" }),
    h("span", { class: "track" }, marks),
    h("span", { class: "end" }),
  );
}
