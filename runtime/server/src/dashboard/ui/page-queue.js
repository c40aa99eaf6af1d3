// What is under way and what waits: lanes, deliveries by how they stand, timers and schedules.

import { api, get, post } from "./api.js";
import { whyOf } from "./attempts.js";
import { h, replace, to } from "./dom.js";
import { away, cut, number, time, timeIn } from "./format.js";
import { every } from "./live.js";
import { action, empty, fail, say } from "./notice.js";
import { chip, pager, status, table } from "./table.js";

const AGAIN_MS = 3000;
const LIMIT = 50;
const VIEWS = [
  ["", "Lanes"],
  ["ready", "Ready"],
  ["running", "Running"],
  ["waiting", "Waiting"],
  ["blocked", "Blocked"],
  ["times", "Timers and schedules"],
];

export async function show({ root, signal, query, title }) {
  title("Queue");
  const head = h("div", { class: "head" }, h("h1", null, "Queue"));
  const list = h("section", { class: "card", id: "list" });
  const stopped = h("div", { class: "stack" });
  replace(root, head, stopped, tabs(query), list);
  const load = async () => {
    const [{ functions }, made] = await Promise.all([
      get(api("functions"), null, signal),
      viewOf(query, signal),
    ]);
    if (!head.querySelector("select")) head.append(chooser(functions, query));
    replace(
      stopped,
      switches(functions, query, () => load().catch(fail)),
    );
    replace(list, (VIEW[query.status ?? ""] ?? deliveriesOf)(made, query, functions));
  };
  await load();
  every(AGAIN_MS, signal, () => {
    // Not under a key that walks through the list, or a button that has the focus.
    if (list.contains(document.activeElement) || stopped.contains(document.activeElement)) return;
    load().catch(
      (error) => error.name === "AbortError" || replace(list, h("p", { class: "problem" }, error.message)),
    );
  });
}

function tabs(query) {
  const links = VIEWS.map(([value, label]) =>
    h(
      "a",
      {
        href: to(["queue"], { function: query.function, status: value }),
        "aria-current": (query.status ?? "") === value ? "page" : null,
      },
      label,
    ),
  );
  return h("nav", { class: "tabs", "aria-label": "What is shown" }, links);
}

function chooser(functions, query) {
  const options = functions.map((f) => h("option", { value: f.name }, f.name));
  const which = h(
    "select",
    { "aria-label": "Of which function", "data-search": true },
    h("option", { value: "" }, "All functions"),
    options,
  );
  which.value = query.function ?? "";
  which.addEventListener("change", () => {
    location.hash = to(["queue"], { ...query, function: which.value, cursor: null });
  });
  return which;
}

/// Functions that stand still, each with what lets it go on; and the way to stop the one chosen.
function switches(functions, query, reload) {
  const act = (name, step, words) => async () => {
    await post(api("functions", name, step));
    say(words);
    reload();
  };
  const asked = functions.filter((f) => !query.function || f.name === query.function);
  const rows = asked
    .filter((f) => f.paused || (f.breaker && f.breaker.state !== "closed"))
    .slice(0, LIMIT)
    .map((f) => {
      const why = f.paused
        ? ["paused: ", f.paused.reason, " ", away(f.paused.at)]
        : [`breaker ${f.breaker.state}`, f.breaker.until ? [", probes ", away(f.breaker.until)] : null];
      return h(
        "div",
        { class: "note row", "data-stopped": f.name },
        h("a", { href: to(["functions", f.name]) }, f.name),
        h("span", null, why),
        h("span", { class: "grow" }),
        action("Resume", act(f.name, "resume", `${f.name} goes on.`)),
      );
    });
  const chosen = functions.find((f) => f.name === query.function);
  const pause =
    chosen && !chosen.paused
      ? h(
          "div",
          { class: "row end" },
          action(
            `Pause ${chosen.name}`,
            act(chosen.name, "pause", `${chosen.name} is paused. Its deliveries wait.`),
          ),
        )
      : null;
  return [rows, pause];
}

function viewOf(query, signal) {
  const { function: name, status: asked, cursor } = query;
  if (!asked) return get(api("lanes"), { function: name, limit: LIMIT }, signal);
  const wanted = asked === "times" ? "waiting" : asked;
  return get(api("deliveries"), { function: name, status: wanted, limit: LIMIT, cursor }, signal);
}

const VIEW = { "": lanesOf, times: timesOf };

function lanesOf({ lanes, truncated }, query, functions) {
  const loose = looseOf(functions, query);
  if (lanes.length === 0 && loose) return loose;
  if (lanes.length === 0)
    return empty(
      "Nothing is open.",
      "What comes in is handled at once. ",
      h("a", { href: "#/send" }, "Send an event"),
      " to see it pass.",
    );
  const most = Math.max(...lanes.map((lane) => lane.length));
  const columns = [
    { label: "function", cell: (lane) => h("a", { href: to(["functions", lane.function]) }, lane.function) },
    { label: "lane", cell: (lane) => h("code", null, cut(lane.key, 60)) },
    { label: "length", num: true, cell: (lane) => number(lane.length) },
    { label: "", wide: true, cls: "bar-cell", cell: (lane) => share(lane.length / most) },
    {
      label: "at its head",
      cell: (lane) => [
        h("a", { href: to(["events", lane.head.seq]) }, `#${lane.head.seq}`),
        " ",
        status(lane.head.status),
      ],
    },
    { label: "why", full: true, cell: (lane) => whyOf(lane.head.reason, lane.head.waitingFor) },
  ];
  return [
    table(columns, lanes, { caption: "Lanes, the longest first" }),
    truncated ? h("p", { class: "dim" }, "There are more lanes; these are the longest.") : null,
    loose,
  ];
}

/// Functions without an ordering key have no lanes: how much they have to do.
function looseOf(functions, query) {
  const without = functions.filter(
    (f) =>
      (!query.function || f.name === query.function) && !f.revisions.some((r) => r.active && r.manifest.key),
  );
  const open = without
    .filter(({ counts: c }) => c.ready + c.running + c.waiting + c.blocked > 0)
    .slice(0, LIMIT);
  if (open.length === 0) return null;
  const count = (name) => (f) =>
    f.counts[name]
      ? h("a", { href: to(["queue"], { function: f.name, status: name }) }, number(f.counts[name]))
      : "0";
  const columns = ["ready", "running", "waiting", "blocked"].map((name) => ({
    label: name,
    num: true,
    cell: count(name),
  }));
  return [
    h("h2", null, "Without a key, in any order"),
    table(
      [{ label: "function", cell: (f) => h("a", { href: to(["functions", f.name]) }, f.name) }, ...columns],
      open,
      { caption: "Functions without a key" },
    ),
  ];
}

function share(part) {
  const bar = h("div", { class: "counted" }, h("i"));
  bar.firstChild.style.setProperty("--share", `${Math.round(part * 100)}%`);
  return bar;
}

const NOTHING = {
  ready: "Nothing is ready and waits for its turn.",
  running: "Nothing runs at this moment.",
  waiting: "Nothing waits for its time.",
  blocked: "Nothing is blocked behind another.",
};

function deliveriesOf({ deliveries, cursor }, query) {
  if (deliveries.length === 0)
    return [
      empty(
        NOTHING[query.status] ?? "There is none.",
        "What is under way is under ",
        h("a", { href: to(["queue"], { function: query.function }) }, "Lanes"),
        ".",
      ),
      pager(["queue"], query, cursor),
    ];
  const columns = [
    { label: "delivery", cls: "tight", cell: (d) => h("a", { href: to(["events", d.seq]) }, `#${d.seq}`) },
    { label: "function", cell: (d) => h("a", { href: to(["functions", d.function]) }, d.function) },
    { label: "lane", cell: (d) => (d.key === null ? "" : h("code", null, cut(d.key, 40))) },
    { label: "attempts", num: true, wide: true, cell: (d) => d.attempts },
    { label: "why", full: true, cell: (d) => whyOf(d.reason, d.waitingFor) },
    { label: "accepted", num: true, wide: true, cell: (d) => time(d.accepted) },
  ];
  return [
    table(columns, deliveries, { caption: `Deliveries that are ${query.status}` }),
    pager(["queue"], query, cursor),
  ];
}

/// What has a time: schedules with their next slot, then timers and events sent for later.
function timesOf({ deliveries, cursor }, query, functions) {
  const asked = functions.filter((f) => !query.function || f.name === query.function);
  return [
    h("h2", null, "Schedules"),
    schedulesOf(asked.flatMap((f) => (f.schedules ?? []).map((schedule) => ({ f, ...schedule })))),
    h("h2", null, "Waiting for a time"),
    dueOf([...deliveries].sort((one, other) => Date.parse(one.due) - Date.parse(other.due))),
    pager(["queue"], query, cursor),
  ];
}

const SCHEDULES_MAX = 200;

function schedulesOf(schedules) {
  if (schedules.length === 0)
    return empty(
      "No function has a schedule.",
      "One is a line of its manifest: ",
      h("code", null, "schedule"),
      ".",
    );
  const columns = [
    {
      label: "schedule",
      cell: (s) => [h("a", { href: to(["functions", s.f.name]) }, s.f.name), " ", s.name],
    },
    { label: "cron", cell: (s) => h("code", null, s.cron) },
    { label: "zone", wide: true, cell: (s) => s.zone },
    { label: "missed slots", wide: true, cell: (s) => s.missed },
    { label: "next", num: true, cell: (s) => (s.next ? [timeIn(s.next, s.zone), " · ", away(s.next)] : "never") },
  ];
  return table(columns, schedules.slice(0, SCHEDULES_MAX), { caption: "Schedules" });
}

function dueOf(deliveries) {
  if (deliveries.length === 0)
    return empty(
      "Nothing waits for a time.",
      "A handler sets a timer, or an event is sent with ",
      h("code", null, "trip send --delay 10m"),
      ".",
    );
  const columns = [
    { label: "due", cls: "tight", cell: (d) => [time(d.due), " ", h("span", { class: "dim" }, away(d.due))] },
    { label: "event", cls: "tight", cell: (d) => h("a", { href: to(["events", d.seq]) }, `#${d.seq}`) },
    { label: "function", cell: (d) => d.function },
    { label: "what", cell: (d) => whatOf(d) },
    { label: "lane", wide: true, cell: (d) => (d.key === null ? "" : h("code", null, cut(d.key, 40))) },
  ];
  return table(columns, deliveries, { caption: "Deliveries that wait for a time" });
}

function whatOf({ timer, attempts }) {
  if (timer) return [chip("timer", "accent"), " ", h("code", null, cut(timer, 40))];
  return attempts ? chip(`retry after ${attempts}`, "wait") : chip("for later");
}
