// Events that came in: searched, page by page, or as they come.

import { api, get } from "./api.js";
import { h, replace, to } from "./dom.js";
import { bytes, cut, number, time } from "./format.js";
import { listen, perFrame } from "./live.js";
import { empty, fillWith } from "./notice.js";
import { chip, pager, status, table } from "./table.js";

const LIMIT = 50;

export async function show({ root, signal, query, title }) {
  title("Events");
  const list = h("section", { class: "card", id: "list" });
  const live = query.live === "1";
  const toggle = h(
    "a",
    {
      class: "button",
      href: to(["events"], live ? { ...query, live: null } : { type: query.type, live: "1" }),
    },
    live ? "Stop following" : "Follow live",
  );
  replace(
    root,
    h("div", { class: "head" }, h("h1", null, "Events"), toggle),
    live ? null : h("section", { class: "card" }, form(query)),
    list,
  );
  if (live) return followed(list, query, signal);
  return fillWith(list, () => found(query, signal));
}

const OUTCOMES = [
  ["", "any"],
  ["open", "open: not settled"],
  ["committed", "committed"],
  ["dead", "dead letter"],
  ["dropped", "dropped"],
  ["expired", "expired"],
  ["unrouted", "for nobody"],
];

function form(query) {
  const text = (name, label, more) =>
    h(
      "label",
      null,
      label,
      h("input", { name, value: query[name] ?? "", autocomplete: "off", spellcheck: "false", ...more }),
    );
  const outcome = h(
    "select",
    { name: "outcome" },
    OUTCOMES.map(([value, label]) => h("option", { value }, label)),
  );
  outcome.value = query.outcome ?? "";
  const submit = (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target));
    for (const name of ["after", "before"]) fields[name] = utc(fields[name]);
    location.hash = to(["events"], fields);
  };
  return h(
    "form",
    { class: "fields search", role: "search", onsubmit: submit },
    text("type", "Type", { "data-search": true, placeholder: "order.*" }),
    text("source", "Source"),
    text("subject", "Subject"),
    text("id", "Id"),
    text("after", "From", { type: "datetime-local", step: "1", value: local(query.after) }),
    text("before", "Before", { type: "datetime-local", step: "1", value: local(query.before) }),
    h("label", null, "Outcome", outcome),
    h(
      "div",
      { class: "row" },
      h("button", { class: "primary" }, "Search"),
      Object.keys(query).length ? h("a", { href: "#/events" }, "Clear") : null,
    ),
  );
}

/// What the field of a form has is the time here, what the host is asked for is UTC.
function utc(text) {
  return text ? new Date(text).toISOString() : "";
}

function local(text) {
  const at = new Date(text ?? NaN);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

async function found(query, signal) {
  const { events, cursor, damaged } = await get(api("events"), { ...query, limit: LIMIT }, signal);
  const next = [damaged ? leftOut(damaged) : null, pager(["events"], query, cursor)];
  if (events.length > 0) return [table(COLUMNS, events, { caption: "Events, newest first" }), next];
  if (damaged && !cursor) return [empty("None that can be read."), next];
  if (cursor) return [empty("None on this page.", "There may be more further back."), next];
  const asked = Object.values(query).some(Boolean);
  if (asked)
    return [
      empty("No event is like this.", h("a", { href: "#/events" }, "Clear the search"), " to see all."),
      next,
    ];
  return empty(
    "No event has come in yet.",
    h("a", { href: "#/send" }, "Send one"),
    ", or run ",
    h("code", null, "trip send TYPE"),
    ".",
  );
}

/// What can't be read is not there, and is not passed over in silence.
function leftOut(damaged) {
  const named = damaged.slice(0, 5).map((seq) => `#${seq}`);
  const all = damaged.length > named.length ? [...named, "…"] : named;
  return h(
    "p",
    { class: "problem" },
    `Left out, because their records are damaged on disk: ${all.join(", ")} (${number(damaged.length)}).`,
  );
}

const COLUMNS = [
  {
    label: "event",
    num: false,
    cls: "tight",
    cell: (e) => h("a", { href: to(["events", e.seq]) }, `#${e.seq}`),
  },
  { label: "type", cell: (e) => cut(e.type) },
  { label: "subject", cell: (e) => cut(e.subject ?? "", 60) },
  { label: "source", wide: true, cell: (e) => h("span", { title: e.source }, cut(e.source, 40)) },
  {
    label: "id",
    wide: true,
    cls: "tight",
    cell: (e) => h("code", { class: "dim", title: e.id }, cut(e.id, 14)),
  },
  { label: "size", num: true, wide: true, cell: (e) => bytes(e.bytes) },
  { label: "accepted", num: true, cell: (e) => time(e.accepted) },
];

const LINES_MAX = 200;
const KINDS = ["accepted", "attempted", "committed", "retried", "dead", "deployed", "lagged"];

/// What happens from now on, newest first: a bounded list, drawn once for each frame.
function followed(card, { type }, signal) {
  const lines = h("ol", { class: "feed", "aria-label": "Live feed" });
  const heard = h("span", { class: "heard", role: "status" }, "connecting …");
  const waiting = empty(
    "Nothing has happened since this page was opened.",
    h("a", { href: "#/send" }, "Send an event"),
    " to see it here.",
  );
  replace(
    card,
    h(
      "div",
      { class: "row" },
      h("h2", null, type ? `Live: ${type}` : "Live"),
      h("span", { class: "grow" }),
      heard,
    ),
    waiting,
    lines,
  );
  const take = perFrame(LINES_MAX, (items) => {
    waiting.hidden = true;
    lines.prepend(...items.reverse().map(lineOf));
    while (lines.childElementCount > LINES_MAX) lines.lastElementChild.remove();
  });
  const handlers = Object.fromEntries(KINDS.map((kind) => [kind, take]));
  listen(api("stream"), { type }, handlers, signal, (live) => {
    heard.textContent = live ? "live" : "not heard: trying again";
    heard.className = live ? "heard on" : "heard off";
  });
}

function lineOf(item) {
  const about = item.seq ? h("a", { href: to(["events", item.seq]) }, `#${item.seq}`) : null;
  return h(
    "li",
    { "data-row": true },
    h("span", { class: "dim" }, item.at ? time(item.at, { precise: true }) : ""),
    item.kind === "lagged" || item.kind === "deployed" || item.kind === "attempted"
      ? chip(item.kind)
      : status(item.kind),
    h("span", null, about, " ", words(item)),
  );
}

function words(item) {
  switch (item.kind) {
    case "accepted":
      return `${cut(item.type)}${item.subject ? ` · ${cut(item.subject, 60)}` : ""} → ${item.functions.join(", ") || "nobody"}`;
    case "attempted":
      return `${item.function} attempt ${item.attempt} on ${item.revision}`;
    case "committed":
      return `${item.function} on ${item.revision} in ${item.elapsedMs} ms${item.emitted.length ? `, emitted ${item.emitted.map((seq) => `#${seq}`).join(" ")}` : ""}`;
    case "retried":
      return `${item.function} attempt ${item.attempt}: ${item.error.code} ${cut(item.error.message)}`;
    case "dead":
      return `${item.function} ${item.error.code} ${cut(item.error.message)}`;
    case "deployed":
      return `${item.function} ${item.revision}`;
    default:
      return `${item.missed} items came too fast for this page`;
  }
}
