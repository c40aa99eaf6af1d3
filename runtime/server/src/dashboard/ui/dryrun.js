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
  const which = h(
    "select",
    { name: "function" },
    functions.map((f) => h("option", { value: f.name }, f.name)),
  );
  if (name) which.value = name;
  const one = h("select", { name: "revision" });
  const other = h("select", { name: "against" });
  const result = h("div", { class: "result", role: "status" });
  const offer = () => {
    const found = functions.find((f) => f.name === which.value);
    const revisions = (found?.revisions ?? []).map((r) =>
      h("option", { value: r.revision }, r.active ? `${r.revision} (active)` : r.revision),
    );
    replace(one, revisions);
    replace(
      other,
      h("option", { value: "" }, "none"),
      revisions.map((option) => option.cloneNode(true)),
    );
    one.value = revision ?? found?.active ?? found?.revisions[0]?.revision ?? "";
    if (against) other.value = against;
  };
  which.addEventListener("change", offer);
  offer();
  const run = h("button", { class: "primary" }, "Run, keep nothing");
  const act = async (event) => {
    event.preventDefault();
    const revisions = [one.value, other.value].filter(Boolean);
    await busy(run, () => runAll(which.value, revisions, text(), result));
  };
  return h(
    "form",
    { class: "stack", onsubmit: act },
    h(
      "div",
      { class: "fields" },
      name ? null : h("label", null, "Function", which),
      h("label", null, "Revision", one),
      h("label", null, "Compare with", other),
      run,
    ),
    result,
  );
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
  const { effects } = run;
  const emitted = effects.emitted.map((event) =>
    h(
      "li",
      null,
      h("code", null, event.type ?? "?"),
      event.subject ? ` · ${event.subject}` : "",
      event.data === undefined ? null : json(event.data),
    ),
  );
  return h(
    "div",
    { class: "attempt stack" },
    h(
      "div",
      { class: "row" },
      h("b", null, run.revision ?? "component"),
      status(run.status),
      h("span", { class: "dim" }, duration(run.elapsedMs)),
    ),
    run.error ? h("p", { class: "problem" }, h("code", null, run.error.code), " ", run.error.message) : null,
    logList(run.logs, run.logsLeftOut),
    facts([
      [
        "would write",
        effects.state.length
          ? h(
              "ul",
              { class: "writes" },
              effects.state.map((write) => h("li", null, h("code", null, write.name), " ← ", inline(write))),
            )
          : "nothing",
      ],
      ["would emit", emitted.length ? h("ul", { class: "writes" }, emitted) : "nothing"],
      [
        "timers",
        effects.timers.length
          ? effects.timers.map(
              (timer) => `${timer.name}${timer.cancelled ? " cancelled" : ` in ${duration(timer.afterMs)}`} `,
            )
          : null,
      ],
      ["reply", effects.reply ? payload(effects.reply) : null],
    ]),
  );
}
