// One event: what it is, what became of it, and what it caused; again, changed, or for a trial.

import { api, get } from "./api.js";
import { deliveryCard } from "./attempts.js";
import { h, replace, to } from "./dom.js";
import { dryRunForm } from "./dryrun.js";
import { cut, time } from "./format.js";
import { payload } from "./json.js";
import { every } from "./live.js";
import { action, empty, fail } from "./notice.js";
import { replayDialog } from "./replay.js";
import { facts, status } from "./table.js";
import { isOpen, waterfall } from "./waterfall.js";

const AGAIN_MS = 2000;

export async function show(view) {
  const { root, signal, argument: seq, title } = view;
  title(`Event ${seq}`);
  const [story, tree, { functions }] = await Promise.all([
    get(api("events", seq), null, signal),
    get(api("events", seq, "tree"), null, signal),
    get(api("functions"), null, signal),
  ]);
  const parts = { caused: card("caused", "What it caused"), fates: card("deliveries", "Deliveries") };
  const trial = h("section", { class: "card", hidden: true, id: "trial" });
  replace(
    root,
    headOf(story, functions, trial),
    summary(story),
    trial,
    parts.caused,
    h("div", { class: "columns" }, dataOf(story), headersOf(story)),
    parts.fates,
  );
  draw(parts, story, tree);
  let open = isStirring(story, tree);
  every(AGAIN_MS, signal, async () => {
    if (!open) return;
    try {
      const [now, around] = await Promise.all([
        get(api("events", seq), null, signal),
        get(api("events", seq, "tree"), null, signal),
      ]);
      draw(parts, now, around);
      open = isStirring(now, around);
    } catch (error) {
      fail(error);
    }
  });
}

function card(id, title) {
  return h("section", { class: "card", id }, h("h2", null, title));
}

function isStirring(story, tree) {
  return [story, ...tree.nodes].some((node) => node.deliveries.some((delivery) => isOpen(delivery.status)));
}

function draw({ caused, fates }, story, tree) {
  const cut_off = tree.truncated
    ? h("p", { class: "note" }, "There is more than is shown: the tree is cut at 200 events.")
    : null;
  replace(caused, h("h2", null, "What it caused"), waterfall(tree.nodes, tree.root, story.seq), cut_off);
  const deliveries = story.deliveries.map((delivery) => deliveryCard(story, delivery));
  const nobody = empty(
    "No function asked for this event.",
    "Deploy one that handles ",
    h("code", null, cut(story.event.type)),
    ", then replay the event.",
  );
  replace(fates, h("h2", null, "Deliveries"), deliveries.length ? deliveries : nobody);
}

function headOf(story, functions, trial) {
  const replay = action("Replay …", () => replayDialog(story, functions));
  const run = h(
    "button",
    { type: "button", "aria-expanded": "false", "aria-controls": "trial" },
    "Dry run …",
  );
  run.addEventListener("click", () => {
    trial.hidden = !trial.hidden;
    run.setAttribute("aria-expanded", String(!trial.hidden));
    if (!trial.hidden && trial.childElementCount === 0)
      replace(trial, h("h2", null, "Dry run"), trialOf(story, functions));
  });
  return h(
    "div",
    { class: "head" },
    h("h1", null, cut(story.event.type, 200)),
    story.deliveries.map((d) => status(d.status)),
    replay,
    run,
  );
}

function trialOf(story, functions) {
  const handlers = functions.filter((f) => !f.revisions.some((r) => r.manifest.sink));
  if (handlers.length === 0)
    return empty(
      "There is no function to run it on.",
      h("a", { href: "#/functions" }, "Deploy one"),
      " first.",
    );
  const first = story.deliveries[0]?.function;
  handlers.sort((one, other) => Number(other.name === first) - Number(one.name === first));
  return dryRunForm(handlers, () => JSON.stringify(story.event));
}

function summary(story) {
  const { event } = story;
  const parent = story.parent
    ? h("a", { href: to(["events", story.parent.split("/")[0]]) }, story.parent)
    : "nothing: it came in from outside";
  const pairs = [
    ["number", `#${story.seq}`],
    ["accepted", time(story.accepted, { precise: true })],
    ["came in by", story.entrance],
    ["caused by", parent],
    ["subject", event.subject ? cut(event.subject, 200) : null],
    ["hops", story.hops ? String(story.hops) : null],
  ];
  return h("section", { class: "card" }, facts(pairs));
}

function dataOf({ event }) {
  const type = event.datacontenttype;
  return h(
    "section",
    { class: "card", id: "data" },
    h("div", { class: "row" }, h("h2", null, "Data"), type ? h("span", { class: "dim" }, type) : null),
    payload(event),
  );
}

function headersOf({ event }) {
  const names = Object.keys(event).filter((name) => name !== "data" && name !== "data_base64");
  const rows = names.map((name) =>
    h("tr", null, h("th", { scope: "row" }, name), h("td", null, h("code", null, String(event[name])))),
  );
  return h(
    "section",
    { class: "card", id: "headers" },
    h("h2", null, "Headers"),
    h("div", { class: "scroll" }, h("table", null, h("tbody", null, rows))),
  );
}
