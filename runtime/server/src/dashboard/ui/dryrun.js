// An event through a revision, and through another one beside it: what each would do, and the
// difference. Nothing of it is kept by the host.

import { api, ask, parse } from "./api.js";
import { logList } from "./attempts.js";
import { diff, same } from "./diff.js";
import { h, replace } from "./dom.js";
import { duration } from "./format.js";
import { inline, json, payload } from "./json.js";
import { busy, problem } from "./notice.js";
import { facts, status } from "./table.js";

/// A form that runs `text()` (an event as JSON) through revisions of `functions`, which are as
/// the host lists them.
export function dryRunForm(functions, text, { name, revision, against } = {}) {
  const which = h("select", { name: "function" }, options(functions.map((f) => f.name)));
  if (name) which.value = name;
  const one = h("select", { name: "revision" });
  const other = h("select", { name: "against" });
  const result = h("div", { class: "result", role: "status" });
  const offer = () => {
    const found = functions.find((f) => f.name === which.value);
    const names = (found?.revisions ?? []).map((r) => r.revision);
    replace(one, options(names, found?.active));
    replace(other, h("option", { value: "" }, "none"), options(names, found?.active));
    one.value = revision ?? found?.active ?? names[0] ?? "";
    other.value = against ?? "";
  };
  which.addEventListener("change", offer);
  offer();
  const run = h("button", { class: "primary" }, "Run, keep nothing");
  const act = async (event) => {
    event.preventDefault();
    const revisions = [one.value, other.value].filter(Boolean);
    await busy(run, () => runAll(which.value, revisions, text(), result));
  };
  const labels = [name ? null : ["Function", which], ["Revision", one], ["Compare with", other]];
  const fields = labels.filter(Boolean).map((label) => h("label", null, label));
  return h("form", { class: "stack", onsubmit: act }, h("div", { class: "fields" }, fields, run), result);
}

function options(names, active) {
  return names.map((name) => h("option", { value: name }, name === active ? `${name} (active)` : name));
}

async function runAll(name, revisions, body, result) {
  try {
    parse(body);
    const runs = [];
    for (const revision of revisions) {
      runs.push(
        await ask("POST", api("functions", name, "test"), {
          query: { revision },
          body,
          headers: { "content-type": "application/cloudevents+json" },
        }),
      );
    }
    replace(
      result,
      runs.length > 1 ? comparison(runs) : null,
      h("div", { class: "columns" }, runs.map(runOf)),
    );
  } catch (error) {
    replace(result, problem(error));
  }
}

/// What of a run counts: not how long it took.
function said({ status: ended, error, effects }) {
  return { status: ended, error: error ?? null, ...effects };
}

function comparison([one, other]) {
  const [before, after] = [said(other), said(one)];
  const text = same(before, after)
    ? `${one.revision} and ${other.revision} do the same.`
    : `From ${other.revision} to ${one.revision}:`;
  return h(
    "div",
    { class: "stack difference" },
    h("h3", null, "Difference in effects"),
    h("p", null, text),
    same(before, after) ? null : diff(before, after),
  );
}

function runOf(run) {
  const { effects, error } = run;
  const took = h("span", { class: "dim" }, duration(run.elapsedMs));
  return h(
    "div",
    { class: "attempt stack" },
    h("div", { class: "row" }, h("b", null, run.revision ?? "component"), status(run.status), took),
    error ? h("p", { class: "problem" }, h("code", null, error.code), " ", error.message) : null,
    logList(run.logs, run.logsLeftOut),
    facts([
      ["would write", list(effects.state, (write) => [h("code", null, write.name), " ← ", inline(write)])],
      ["would emit", list(effects.emitted, newEvent)],
      ["timers", effects.timers.length ? list(effects.timers, timer) : null],
      ["reply", effects.reply ? payload(effects.reply) : null],
    ]),
  );
}

function list(items, draw) {
  if (items.length === 0) return "nothing";
  const lines = items.map((item) => h("li", null, draw(item)));
  return h("ul", { class: "writes" }, lines);
}

function newEvent({ type, subject, data }) {
  return [
    h("code", null, type ?? "?"),
    subject ? ` · ${subject}` : "",
    data === undefined ? null : json(data),
  ];
}

function timer({ name, cancelled, afterMs }) {
  return [h("code", null, name), cancelled ? " cancelled" : ` in ${duration(afterMs)}`];
}
