// How the host is doing, now and over the last hours.

import { api, get } from "./api.js";
import { h, replace, to } from "./dom.js";
import { bytes, duration, number, rate, short } from "./format.js";
import { listen } from "./live.js";
import { empty, fail } from "./notice.js";
import { functionPlots, follow } from "./history.js";
import { chip, table } from "./table.js";

export async function show({ root, signal, title }) {
  title("Overview");
  const heard = h("span", { class: "heard", role: "status" }, "connecting …");
  const tiles = h("div", { class: "tiles" });
  const functions = h("section", { class: "card" }, h("h2", null, "Functions"));
  const plots = functionPlots();
  const controls = chooser(plots, signal);
  replace(
    root,
    h("div", { class: "head" }, h("h1", null, "Overview"), heard),
    tiles,
    h("section", { class: "card" }, controls, plots.element),
    functions,
  );
  const draw = (overview) => {
    replace(tiles, tilesOf(overview));
    replace(functions, h("h2", null, "Functions"), functionsOf(overview));
    controls.offer(overview.functions.map((f) => f.name));
  };
  const state = (live) => {
    heard.textContent = live ? "live" : "not heard: trying again";
    heard.className = live ? "heard on" : "heard off";
  };
  try {
    draw(await get(api("stats", "overview"), null, signal));
  } catch (error) {
    fail(error);
    if (error.status === 401 || error.status === 403) throw error;
  }
  listen(api("stats", "stream"), null, { stats: draw }, signal, state);
}

const RANGES = [
  ["5 min", 5],
  ["15 min", 15],
  ["1 h", 60],
  ["6 h", 360],
];

/// Chooses what is plotted: the host or a function, and how far back.
function chooser(plots, signal) {
  const which = h("select", { "aria-label": "Of which function" }, choices([]));
  const range = h("select", { "aria-label": "How far back" });
  replace(
    range,
    RANGES.map(([label, min]) => h("option", { value: String(min) }, label)),
  );
  range.value = "60";
  let leave = new AbortController();
  const start = () => {
    leave.abort();
    leave = new AbortController();
    follow(plots, which.value, Number(range.value), AbortSignal.any([signal, leave.signal]));
  };
  which.addEventListener("change", start);
  range.addEventListener("change", start);
  start();
  const row = h(
    "div",
    { class: "row" },
    h("h2", null, "Over time"),
    h("span", { class: "grow" }),
    which,
    range,
  );
  row.offer = offering(which);
  return row;
}

function choices(names) {
  const each = [...names].sort().map((name) => h("option", { value: name }, name));
  return [h("option", { value: "" }, "All functions"), each];
}

/// Keeps what can be chosen as the functions are; what is chosen stays.
function offering(which) {
  let known = "";
  return (names) => {
    if (known === names.join()) return;
    known = names.join();
    const chosen = which.value;
    replace(which, choices(names));
    which.value = names.includes(chosen) ? chosen : "";
  };
}

function tilesOf(overview) {
  const { rates, handling, latency, sync, lag } = overview;
  const open = overview.ready + overview.running + overview.waiting + overview.blocked;
  return [
    tile("accepted", rate(rates.accepted), "/s", `${number(overview.accepted)} since the start`),
    tile("committed", rate(rates.committed), "/s", `${number(overview.committed)} since the start`),
    tile(
      "open",
      short(open),
      "",
      `${short(overview.ready)} ready, ${short(overview.running)} running, ${short(overview.waiting)} waiting, ${short(overview.blocked)} blocked`,
      "#/queue",
    ),
    tile("accept → commit p50", ...split(latency.p50Ms), `p99 ${duration(latency.p99Ms)}, last minute`),
    tile("handling, mean", ...split(handling.meanMs), `p99 ${duration(handling.p99Ms)}, last minute`),
    tile("retried", rate(rates.retried), "/s", `${number(overview.retried)} since the start`),
    tile(
      "dead letters",
      short(overview.deadNow),
      "",
      `${number(overview.dead)} since the start`,
      "#/dead",
      overview.deadNow > 0 ? "bad" : "",
    ),
    tile(
      "disk sync p99",
      ...split(sync.p99Ms),
      `${bytes(overview.diskFreeBytes)} free${lag.seconds == null ? "" : `, lag ${duration(lag.seconds * 1000)}`}`,
    ),
  ];
}

function split(ms) {
  const [value, ...unit] = duration(ms).split(" ");
  return [value, unit.join(" ")];
}

function tile(label, value, unit, more, href, tone = "") {
  const inside = [
    h("span", { class: "label" }, label),
    h("span", { class: `value ${tone}` }, value, unit ? h("small", null, ` ${unit}`) : null),
    h("span", { class: "more" }, more),
  ];
  return href ? h("a", { class: "tile", href }, inside) : h("div", { class: "tile" }, inside);
}

function functionsOf({ functions, functionsLeftOut }) {
  if (functions.length === 0) {
    return empty(
      "No function is deployed yet.",
      "Drop a component on ",
      h("a", { href: "#/functions" }, "Functions"),
      ", or run ",
      h("code", null, "trip deploy PATH"),
      ".",
    );
  }
  const columns = [
    { label: "name", cell: (f) => [h("a", { href: to(["functions", f.name]) }, f.name), " ", state(f)] },
    { label: "committed/s", num: true, cell: (f) => rate(f.rates.committed) },
    { label: "retried/s", num: true, wide: true, cell: (f) => rate(f.rates.retried) },
    { label: "open", num: true, cell: (f) => short(f.ready + f.running + f.waiting + f.blocked) },
    { label: "mean", num: true, wide: true, cell: (f) => duration(f.handling.meanMs) },
    { label: "p50", num: true, wide: true, cell: (f) => duration(f.latency.p50Ms) },
    { label: "p99", num: true, cell: (f) => duration(f.latency.p99Ms) },
    {
      label: "dead",
      num: true,
      cell: (f) =>
        f.deadNow
          ? h("a", { class: "bad", href: to(["dead"], { function: f.name }) }, short(f.deadNow))
          : "0",
    },
  ];
  const more = functionsLeftOut
    ? h("p", { class: "dim" }, `${number(functionsLeftOut)} more have less to do.`)
    : null;
  return [table(columns, functions, { caption: "Functions" }), more];
}

function state({ active, paused }) {
  if (paused) return chip("paused", "wait");
  return active ? h("span", { class: "dim" }, active) : chip("no revision", "dim");
}
