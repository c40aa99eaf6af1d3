// One function: what serves, how it does, what it may, and every step an operator can take.

import { api, get, post } from "./api.js";
import { h, replace, to } from "./dom.js";
import { dryRunForm } from "./dryrun.js";
import { away, bytes, number, percent, short, time, duration } from "./format.js";
import { follow, functionPlots } from "./history.js";
import { every } from "./live.js";
import { action, confirmed, fail, say } from "./notice.js";
import { standing } from "./page-functions.js";
import { reviewOf } from "./review.js";
import { sampleFor } from "./sample.js";
import { chip, facts, table } from "./table.js";
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
  replace(parts.asks, h("h2", null, "Subscriptions and limits"), asksOf(f));
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
  const { counts, paused, breaker, canaryEnded, state } = f;
  const link = (status, text) => h("a", { href: to(["queue"], { function: f.name, status }) }, text);
  const tiles = [
    ["ready", short(counts.ready), link("ready", "in the queue")],
    ["running", short(counts.running), link("running", "now")],
    ["waiting", short(counts.waiting), link("waiting", "for their time")],
    ["blocked", short(counts.blocked), link("blocked", "behind others")],
    ["committed", short(counts.committed), "in all"],
    ["retried", short(counts.retried), "attempts"],
    [
      "dead letters",
      short(counts.dead),
      h("a", { href: to(["dead"], { function: f.name }) }, "by cause"),
      counts.dead ? "bad" : "",
    ],
    ["state", short(state.entries), h("a", { href: to(["state", f.name]) }, `${bytes(state.bytes)}, browse`)],
  ];
  return [
    paused
      ? h(
          "p",
          { class: "note" },
          `Paused ${paused.reason ? `(${paused.reason}) ` : ""}`,
          away(paused.at),
          ". Deliveries wait until it is resumed.",
        )
      : null,
    breaker && breaker.state !== "closed"
      ? h(
          "p",
          { class: "problem" },
          `The circuit breaker is ${breaker.state} after ${breaker.failures} failures in a row`,
          breaker.until ? [", probes ", away(breaker.until)] : null,
          breaker.error ? `: ${breaker.error.code} ${breaker.error.message}` : "",
        )
      : null,
    canaryEnded
      ? h(
          "p",
          { class: "note" },
          `The canary of ${canaryEnded.revision} ended `,
          away(canaryEnded.at),
          `: ${canaryEnded.reason}`,
        )
      : null,
    h(
      "div",
      { class: "tiles eight" },
      tiles.map(([label, value, more, tone]) =>
        h(
          "div",
          { class: "tile" },
          h("span", { class: "label" }, label),
          h("span", { class: `value ${tone ?? ""}` }, value),
          h("span", { class: "more" }, more),
        ),
      ),
    ),
  ];
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
  const rows = [...f.revisions].reverse();
  const step = (revision) => async () => {
    const done = () => {
      replace(place);
      reload().catch(fail);
    };
    replace(place, await reviewOf(f.name, revision, done));
    place.scrollIntoView({ block: "nearest" });
    place.querySelector("button")?.focus();
  };
  const tried = ({ attempts }) => attempts.committed + attempts.retried + attempts.dead;
  return table(
    [
      {
        label: "revision",
        cls: "tight",
        cell: (r) => [
          h("b", null, r.revision),
          " ",
          r.active
            ? chip("active", "good")
            : f.canary?.revision === r.revision
              ? chip(`canary ${f.canary.weight} %`, "accent")
              : null,
        ],
      },
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
      {
        label: "",
        num: true,
        cell: (r) =>
          r.active
            ? null
            : action(f.canary?.revision === r.revision ? "Promote …" : "Activate …", step(r.revision)),
      },
    ],
    rows,
    { caption: "Revisions, newest first" },
  );
}

function asksOf(f) {
  const revision = f.revisions.find((r) => r.active) ?? f.revisions.at(-1);
  if (!revision) return h("p", { class: "dim" }, "No revision is there.");
  const m = revision.manifest;
  const code = (value) => h("code", null, typeof value === "string" ? value : JSON.stringify(value));
  const retry = m.retry
    ? `${m.retry.attempts} attempts, from ${m.retry.initial} × ${m.retry.factor} up to ${m.retry.max}${m.retry.age ? `, for ${m.retry.age}` : ""}`
    : null;
  const rate = (r) => (r ? `${r.limit} in ${r.period}` : null);
  const settings = Object.entries(revision.config);
  return facts([
    [
      "handles",
      h(
        "div",
        { class: "chips" },
        [m.on].flat().map((pattern) => chip(pattern)),
      ),
    ],
    ["filter", m.filter ? code(m.filter) : null],
    ["ordering key", m.key ? code(m.key) : "none: any order"],
    ["at once", `${m.concurrency}${m.keyConcurrency > 1 ? `, ${m.keyConcurrency} for a key` : ""}`],
    ["time-out", m.timeout],
    ["memory", m.memory],
    ["retries", retry],
    ["priority", m.priority],
    ["throttle", rate(m.throttle)],
    ["rate limit", rate(m.rateLimit)],
    ["debounce", m.debounce ? code(m.debounce) : null],
    ["batch", m.batch ? code(m.batch) : null],
    ["breaker", m.breaker ? code(m.breaker) : null],
    ["dead letters", m.deadLetter ? code(m.deadLetter) : null],
    [
      "may do",
      revision.capabilities
        ? h(
            "div",
            { class: "chips" },
            revision.capabilities.map((text) => chip(text)),
          )
        : null,
    ],
    [
      "may ask",
      m.http
        ? h(
            "div",
            { class: "chips" },
            [m.http.allow].flat().map((host) => chip(host, "wait")),
          )
        : "no other host",
    ],
    ["sink", m.sink ? code(m.sink.url) : null],
    [
      "schedules",
      f.schedules?.length
        ? f.schedules.map((s) =>
            h("div", null, code(s.cron), ` ${s.zone} · `, s.next ? away(s.next) : "never"),
          )
        : null,
    ],
    [
      "settings",
      settings.length
        ? settings.map(([key, value]) => h("div", null, h("code", null, `${key} = ${value}`)))
        : null,
    ],
  ]);
}

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
