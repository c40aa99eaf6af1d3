// One delivery with all of its attempts: what it waits for, what each attempt said and did.

import { h, to } from "./dom.js";
import { away, duration, time } from "./format.js";
import { inline, payload } from "./json.js";
import { facts, status } from "./table.js";

export function deliveryCard(delivery) {
  const { function: name, key, due, died, reason, waitingFor, error, history } = delivery;
  const head = h(
    "div",
    { class: "row" },
    h("h3", null, h("a", { href: to(["functions", name]) }, name)),
    status(delivery.status),
    key ? h("span", { class: "dim" }, "lane ", h("code", null, key)) : null,
    delivery.timer ? h("span", { class: "dim" }, "timer ", h("code", null, delivery.timer)) : null,
  );
  const waits = waitingFor ? h("p", { class: "note" }, whyOf(reason, waitingFor)) : null;
  const died_at = died
    ? h(
        "p",
        { class: "problem" },
        "Given up ",
        time(died),
        ": ",
        h("code", null, error?.code),
        " ",
        error?.message,
      )
    : null;
  const list = history.map(attemptOf);
  const none =
    history.length === 0 && !waitingFor && !died
      ? h("p", { class: "dim" }, reason || "No attempt was made.")
      : null;
  return h(
    "div",
    { class: "delivery", "data-delivery": delivery.id },
    head,
    waits,
    due && !waitingFor ? h("p", { class: "dim" }, "due ", time(due)) : null,
    died_at,
    list,
    none,
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
  const { started, ended, outcome, error, logs, logsLeftOut, state, emitted, reply } = attempt;
  const took = Date.parse(ended) - Date.parse(started);
  const effects = [
    [
      "state",
      state.length
        ? h(
            "ul",
            { class: "writes" },
            state.map((write) => h("li", null, h("code", null, write.name), " ← ", inline(write))),
          )
        : null,
    ],
    [
      "emitted",
      emitted.length ? emitted.map((seq) => [h("a", { href: to(["events", seq]) }, `#${seq}`), " "]) : null,
    ],
    ["reply", reply ? payload(reply) : null],
  ];
  return h(
    "div",
    { class: `attempt ${outcome}` },
    h(
      "div",
      { class: "row" },
      h("b", null, `Attempt ${attempt.attempt}`),
      status(outcome),
      h(
        "span",
        { class: "dim" },
        attempt.revision,
        " · ",
        time(started, { precise: true }),
        " · ",
        took > 0 ? duration(took) : "< 1 ms",
      ),
    ),
    error ? h("p", { class: "problem" }, h("code", null, error.code), " ", error.message) : null,
    logList(logs, logsLeftOut),
    facts(effects),
  );
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
