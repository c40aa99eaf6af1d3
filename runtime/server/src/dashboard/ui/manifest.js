// What a function's manifest says, for people. Knows manifests; asks the host for nothing.

import { h } from "./dom.js";
import { away, timeIn } from "./format.js";
import { chip, facts } from "./table.js";

/// Of the revision that serves, else of the last one.
export function manifestOf(f) {
  const revision = f.revisions.find((r) => r.active) ?? f.revisions.at(-1);
  if (!revision) return h("p", { class: "dim" }, "No revision is there.");
  return facts([...flow(revision.manifest), ...reach(revision), ...times(f), ...settings(revision)]);
}

/// Which events come, in which order, and how fast.
function flow(m) {
  return [
    ["handles", chips([m.on].flat())],
    ["filter", code(m.filter)],
    ["ordering key", m.key ? code(m.key) : "none: any order"],
    ["at once", `${m.concurrency}${m.keyConcurrency > 1 ? `, ${m.keyConcurrency} for a key` : ""}`],
    ["time-out", m.timeout],
    ["memory", m.memory],
    ["retries", m.retry ? retries(m.retry) : null],
    ["priority", m.priority],
    ["throttle", rate(m.throttle)],
    ["rate limit", rate(m.rateLimit)],
    ["debounce", code(m.debounce)],
    ["batch", code(m.batch)],
    ["breaker", code(m.breaker)],
    ["dead letters", code(m.deadLetter)],
  ];
}

function reach({ manifest, capabilities }) {
  const hosts = manifest.http ? chips([manifest.http.allow].flat(), "wait") : "no other host";
  return [
    ["may do", capabilities?.length ? chips(capabilities) : null],
    ["may ask", hosts],
    ["sink", code(manifest.sink?.url)],
  ];
}

function times({ schedules }) {
  const next = (s) => (s.next ? [timeIn(s.next, s.zone), " · ", away(s.next)] : "never");
  const line = (s) => h("div", null, code(s.cron), ` ${s.zone} · `, next(s));
  return [["schedules", schedules?.length ? schedules.map(line) : null]];
}

function settings({ config }) {
  const line = ([key, value]) => h("div", null, h("code", null, `${key} = ${value}`));
  const pairs = Object.entries(config);
  return [["settings", pairs.length ? pairs.map(line) : null]];
}

function chips(texts, tone) {
  const each = texts.map((text) => chip(text, tone));
  return h("div", { class: "chips" }, each);
}

function code(value) {
  if (value === undefined || value === null) return null;
  return h("code", null, typeof value === "string" ? value : JSON.stringify(value));
}

function retries({ attempts, initial, factor, max, age }) {
  return `${attempts} attempts, from ${initial} × ${factor} up to ${max}${age ? `, for ${age}` : ""}`;
}

function rate(limit) {
  return limit ? `${limit.limit} in ${limit.period}` : null;
}
