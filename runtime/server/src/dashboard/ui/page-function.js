// One function: what serves, how it does, what it may, and every step an operator can take.

import { api, get, post } from "./api.js";
import { h, replace, to } from "./dom.js";
import { dryRunForm } from "./dryrun.js";
import { away, bytes, number, percent, short, time, duration } from "./format.js";
import { follow, functionPlots } from "./history.js";
import { every } from "./live.js";
import { manifestOf } from "./manifest.js";
import { action, confirmed, fail, say } from "./notice.js";
import { standing } from "./page-functions.js";
import { reviewOf } from "./review.js";
import { sampleFor } from "./sample.js";
import { chip, table } from "./table.js";
import { uploader } from "./upload.js";

const AGAIN_MS = 3000;

export async function show({ root, signal, argument: name, title }) {
  title(name);
  const parts = {
    head: h("div", { class: "head" }),
    now: h("div", { class: "stack" }),
    split: h("div", { class: "stack" }),
    revisions: section("revisions", "Revisions"),
    asks: section("asks", "Subscriptions and limits"),
  };
  const place = h("div", { class: "stack", id: "step" });
  const plots = functionPlots();
  const reload = async () => draw(parts, await get(api("functions", name), null, signal), { reload, place });
  const first = await get(api("functions", name), null, signal);
  draw(parts, first, { reload, place });
  const sink = first.revisions.some((r) => r.manifest.sink);
  replace(
    root,
    parts.head,
    parts.now,
    h("section", { class: "card" }, h("h2", null, "The last hour"), plots.element),
    sink ? null : uploader({ name, place, changed: () => reload().catch(fail) }),
    place,
    parts.revisions,
    parts.asks,
    sink ? null : trial(first),
  );
  follow(plots, name, 60, signal);
  every(AGAIN_MS, signal, () => {
    // A button that has the focus is not taken away from under it.
    if (parts.head.contains(document.activeElement) || parts.revisions.contains(document.activeElement))
      return;
    reload().catch(() => {});
  });
}

function section(id, title) {
  return h("section", { class: "card", id }, h("h2", null, title));
}

function draw(parts, f, steps) {
  replace(parts.head, headOf(f, steps));
  replace(parts.now, nowOf(f));
  replace(parts.revisions, h("h2", null, "Revisions"), splitOf(f), revisionsOf(f, steps));
  replace(parts.asks, h("h2", null, "Subscriptions and limits"), manifestOf(f));
}

function headOf(f, { reload }) {
  const path = (step) => api("functions", f.name, step);
  const act = (step, words) => async () => {
    await post(path(step));
    say(words);
    await reload();
  };
  const stopped = f.paused || (f.breaker && f.breaker.state !== "closed");
  const back = f.canary
    ? `ends the canary of ${f.canary.revision}`
    : `goes back from ${f.active} to ${f.previous}`;
  const rollback = async () => {
    if (
      await confirmed(
        `Roll ${f.name} back?`,
        `This ${back}. What is under way ends on the revision it began with.`,
        "Roll back",
      )
    ) {
      await act("rollback", `${f.name} is rolled back.`)();
    }
  };
  return [
    h("h1", null, f.name, " ", standing(f)),
    f.canary || f.previous ? action(f.canary ? "End canary" : `Roll back to ${f.previous}`, rollback) : null,
    stopped
      ? action("Resume", act("resume", `${f.name} goes on.`), { class: "primary" })
      : action("Pause", act("pause", `${f.name} is paused. Its deliveries wait.`)),
  ];
}

function nowOf(f) {
  return [notesOf(f), h("div", { class: "tiles eight" }, countsOf(f).map(tileOf))];
}

function countsOf({ name, counts, state }) {
  const link = (status, text) => h("a", { href: to(["queue"], { function: name, status }) }, text);
  const causes = h("a", { href: to(["dead"], { function: name }) }, "by cause");
  const browse = h("a", { href: to(["state", name]) }, `${bytes(state.bytes)}, browse`);
  return [
    ["ready", counts.ready, link("ready", "in the queue")],
    ["running", counts.running, link("running", "now")],
    ["waiting", counts.waiting, link("waiting", "for their time")],
    ["blocked", counts.blocked, link("blocked", "behind others")],
    ["committed", counts.committed, "in all"],
    ["retried", counts.retried, "attempts"],
    ["dead letters", counts.dead, causes, counts.dead ? "bad" : ""],
    ["state", state.entries, browse],
  ];
}

function tileOf([label, value, more, tone = ""]) {
  const parts = [
    ["label", label],
    [`value ${tone}`, short(value)],
    ["more", more],
  ];
  return h(
    "div",
    { class: "tile" },
    parts.map(([name, text]) => h("span", { class: name }, text)),
  );
}

/// What is unusual, in sentences.
function notesOf({ paused, breaker, canaryEnded }) {
  const why = paused?.reason ? ` (${paused.reason})` : "";
  const open = breaker && breaker.state !== "closed";
  return [
    paused ? note("note", `Paused${why} `, away(paused.at), ". Deliveries wait until it is resumed.") : null,
    open
      ? note(
          "problem",
          `The circuit breaker is ${breaker.state} after ${breaker.failures} failures in a row`,
          breaker.until ? [", probes ", away(breaker.until)] : "",
          breaker.error ? `: ${breaker.error.code} ${breaker.error.message}` : "",
        )
      : null,
    canaryEnded
      ? note(
          "note",
          `The canary of ${canaryEnded.revision} ended `,
          away(canaryEnded.at),
          `: ${canaryEnded.reason}`,
        )
      : null,
  ];
}

function note(name, ...words) {
  return h("p", { class: name }, words);
}

/// Which revision gets how much.
function splitOf({ active, canary }) {
  if (!active)
    return h(
      "p",
      { class: "note" },
      "No revision serves. Activate one below; until then events for this function are not delivered to it.",
    );
  if (!canary) return null;
  const bar = h("div", {
    class: "split",
    role: "img",
    "aria-label": `${active} gets ${100 - canary.weight} %, ${canary.revision} ${canary.weight} %`,
  });
  const share = h("span", null, `${active} · ${100 - canary.weight} %`);
  const rest = h("span", { class: "rest" }, `${canary.revision} · ${canary.weight} %`);
  share.style.setProperty("--share", `${100 - canary.weight}%`);
  rest.style.setProperty("--share", `${canary.weight}%`);
  bar.append(share, rest);
  return [
    bar,
    h(
      "p",
      { class: "dim" },
      `Canary since `,
      time(canary.since),
      `: ${number(canary.failures)} of ${number(canary.attempts)} attempts failed (${percent(canary.failures, canary.attempts)}); given up above ${canary.failuresMax} %.`,
    ),
  ];
}

function revisionsOf(f, { reload, place }) {
  const step = (revision) => async () => {
    const done = () => {
      replace(place);
      reload().catch(fail);
    };
    replace(place, await reviewOf(f.name, revision, done));
    place.scrollIntoView({ block: "nearest" });
    place.querySelector("button")?.focus();
  };
  const isCanary = (r) => f.canary?.revision === r.revision;
  const label = (r) => (isCanary(r) ? "Promote …" : "Activate …");
  const steps = { label: "", num: true, cell: (r) => (r.active ? null : action(label(r), step(r.revision))) };
  const share = (r) => (isCanary(r) ? chip(`canary ${f.canary.weight} %`, "accent") : null);
  const name = {
    label: "revision",
    cls: "tight",
    cell: (r) => [h("b", null, r.revision), " ", r.active ? chip("active", "good") : share(r)],
  };
  return table([name, ...REVISION, steps], [...f.revisions].reverse(), {
    caption: "Revisions, newest first",
  });
}

const tried = ({ attempts }) => attempts.committed + attempts.retried + attempts.dead;

const REVISION = [
  { label: "created", cell: (r) => time(r.created) },
  { label: "size", num: true, wide: true, cell: (r) => bytes(r.bytes) },
  {
    label: "digest",
    wide: true,
    cell: (r) => h("code", { class: "dim", title: r.digest }, r.digest.slice(0, 12)),
  },
  { label: "attempts", num: true, wide: true, cell: (r) => number(tried(r)) },
  { label: "success", num: true, cell: (r) => percent(r.attempts.committed, tried(r)) },
  { label: "mean", num: true, wide: true, cell: (r) => duration(r.handling.meanMs) },
  { label: "p99", num: true, cell: (r) => duration(r.handling.p99Ms) },
];

function trial(f) {
  const box = h("textarea", { rows: "8", spellcheck: "false", "aria-label": "An event, as JSON" });
  const details = h(
    "details",
    null,
    h("summary", null, h("b", null, "Dry run"), " – what an event would do, with nothing kept"),
  );
  details.addEventListener("toggle", async () => {
    if (!details.open || box.value) return;
    box.value = JSON.stringify(await sampleFor(f), null, 2);
  });
  details.append(
    h(
      "div",
      { class: "stack" },
      box,
      dryRunForm([f], () => box.value, { name: f.name }),
    ),
  );
  return h("section", { class: "card", id: "trial" }, details);
}
