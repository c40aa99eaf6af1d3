// One delivery with all of its attempts: what it waits for, what each attempt said and did.

import { h, to } from "./dom.js";
import { away, duration, time } from "./format.js";
import { inline, payload } from "./json.js";
import { facts, status } from "./table.js";
import { spansOf } from "./waterfall.js";

/// `story` is that of the event.
export function deliveryCard(story, delivery) {
  const { function: name, key, timer, due, waitingFor, history } = delivery;
  const idle = history.length === 0 && !waitingFor && !delivery.died;
  return h(
    "div",
    { class: "delivery", "data-delivery": delivery.id },
    h(
      "div",
      { class: "row" },
      h("h3", null, h("a", { href: to(["functions", name]) }, name)),
      status(delivery.status),
      key ? h("span", { class: "dim" }, "lane ", h("code", null, key)) : null,
      timer ? h("span", { class: "dim" }, "timer ", h("code", null, timer)) : null,
    ),
    waitingFor ? h("p", { class: "note" }, whyOf(delivery.reason, waitingFor)) : null,
    due && !waitingFor ? h("p", { class: "dim" }, "due ", time(due)) : null,
    deathOf(delivery),
    timelineOf(story, delivery),
    idle ? h("p", { class: "dim" }, delivery.reason || "No attempt was made.") : null,
  );
}

/// From the acceptance on: each wait with its reason, each attempt.
function timelineOf(story, delivery) {
  if (delivery.history.length === 0) return null;
  const past = spansOf({ node: story, delivery }, Date.now()).filter((span) => !span.open);
  const accepted = h("p", { class: "wait-line" }, "accepted ", time(story.accepted, { precise: true }));
  const line = (span) => (span.attempt ? attemptOf(span.attempt) : h("p", { class: "wait-line" }, span.text));
  return [accepted, past.map(line)];
}

function deathOf({ died, error }) {
  if (!died) return null;
  return h(
    "p",
    { class: "problem" },
    "Given up ",
    time(died),
    ": ",
    h("code", null, error?.code),
    " ",
    error?.message,
  );
}

/// Why a delivery waits, with a link to what it waits for.
export function whyOf(reason, waitingFor) {
  const { delivery, until, ahead } = waitingFor ?? {};
  // What the reason says of the time is said nearer to people below.
  const parts = [until ? reason.replace(`, ${until}`, "").replace(` at ${until}`, "") : reason];
  if (delivery) parts.push(" · ", h("a", { href: to(["events", delivery.split("/")[0]]) }, delivery));
  if (ahead > 1) parts.push(` · ${ahead} ahead`);
  if (until) parts.push(" · ", away(until));
  return parts;
}

function attemptOf(attempt) {
  const { started, ended, outcome, error } = attempt;
  const took = Date.parse(ended) - Date.parse(started);
  const when = [
    attempt.revision,
    " · ",
    time(started, { precise: true }),
    " · ",
    took > 0 ? duration(took) : "< 1 ms",
  ];
  return h(
    "div",
    { class: `attempt ${outcome}` },
    h(
      "div",
      { class: "row" },
      h("b", null, `Attempt ${attempt.attempt}`),
      status(outcome),
      h("span", { class: "dim" }, when),
    ),
    error ? h("p", { class: "problem" }, h("code", null, error.code), " ", error.message) : null,
    logList(attempt.logs, attempt.logsLeftOut),
    facts(effectsOf(attempt)),
  );
}

function effectsOf({ state, emitted, reply }) {
  const writes = state.map((write) => h("li", null, h("code", null, write.name), " ← ", inline(write)));
  const events = emitted.map((seq) => [h("a", { href: to(["events", seq]) }, `#${seq}`), " "]);
  return [
    ["state", writes.length ? h("ul", { class: "writes" }, writes) : null],
    ["emitted", events.length ? events : null],
    ["reply", reply ? payload(reply) : null],
  ];
}

export function logList(logs, leftOut) {
  if (logs.length === 0 && !leftOut) return null;
  const lines = logs.map(({ level, message }) =>
    h("li", { class: level }, h("span", { class: "dim" }, level), h("span", null, message)),
  );
  const more = leftOut
    ? h("li", null, h("span"), h("span", { class: "dim" }, `${leftOut} more lines were not kept`))
    : null;
  return h("ul", { class: "logs", "aria-label": "Logs" }, lines, more);
}
