// Dead letters by cause; a group of them tried again, and what became of it.

import { api, get, post } from "./api.js";
import { h, replace, to } from "./dom.js";
import { away, cut, number, time } from "./format.js";
import { action, confirmed, empty, fillWith, say } from "./notice.js";
import { aftermath } from "./aftermath.js";
import { pager, table } from "./table.js";

const LIMIT = 50;

export async function show({ root, signal, query, title }) {
  title("Dead letters");
  const after = h("div", { class: "stack", id: "after" });
  const causes = h("section", { class: "card", id: "causes" });
  const list = h("section", { class: "card", id: "list" });
  const load = () =>
    Promise.all([
      fillWith(causes, () => causesOf(query, signal, { after, load })),
      query.code ? fillWith(list, () => lettersOf(query, signal)) : null,
    ]);
  const all = query.function || query.code ? h("a", { class: "button", href: "#/dead" }, "All causes") : null;
  replace(
    root,
    h(
      "div",
      { class: "head" },
      h("h1", null, query.function ? `Dead letters of ${query.function}` : "Dead letters"),
      all,
    ),
    after,
    causes,
    query.code ? list : null,
  );
  await load();
}

async function causesOf(query, signal, steps) {
  const { causes, truncated } = await get(api("deliveries", "causes"), { function: query.function }, signal);
  const shown = causes.filter((cause) => !query.code || cause.code === query.code);
  if (shown.length === 0) {
    return empty(
      "No dead letters.",
      "Every event was handled, or is still being tried: see the ",
      h("a", { href: "#/queue" }, "queue"),
      ".",
    );
  }
  const columns = [
    {
      label: "cause",
      cls: "tight",
      cell: (cause) =>
        h("a", { href: to(["dead"], { function: cause.function, code: cause.code }) }, cause.code),
    },
    { label: "function", cell: (cause) => cause.function },
    {
      label: "says",
      full: true,
      cell: (cause) =>
        h(
          "ul",
          { class: "writes" },
          cause.messages.map((text) => h("li", { class: "dim" }, cut(text, 200))),
        ),
    },
    { label: "letters", num: true, cell: (cause) => h("b", null, number(cause.count)) },
    { label: "newest", num: true, wide: true, cell: (cause) => away(cause.newest) },
    { label: "oldest", num: true, wide: true, cell: (cause) => away(cause.oldest) },
    { label: "", num: true, cell: (cause) => action("Redrive", () => redrive(cause, signal, steps)) },
  ];
  const note = truncated ? h("p", { class: "dim" }, "There are more causes than are shown.") : null;
  return [table(columns, shown, { caption: "Dead letters by cause" }), note];
}

async function redrive(cause, signal, { after, load }) {
  const { function: name, code, count } = cause;
  const words = count === 1 ? "It is" : `All ${number(count)} are`;
  if (
    !(await confirmed(
      `Redrive ${name}, ${code}?`,
      `${words} tried again on the active revision, in the order of acceptance.`,
      "Redrive",
    ))
  )
    return;
  const sample = await get(api("deliveries"), { status: "dead", function: name, code, limit: LIMIT }, signal);
  const answer = await post(api("deliveries", "redrive"), { function: name, status: "dead", code });
  say(`${number(answer.count)} of ${name} are tried again.`);
  const ids = sample.deliveries.map((delivery) => delivery.id);
  after.append(aftermath({ name, code, count: answer.count, ids, signal, done: load }));
  await load();
}

async function lettersOf(query, signal) {
  const { deliveries, cursor } = await get(
    api("deliveries"),
    { status: "dead", function: query.function, code: query.code, limit: LIMIT, cursor: query.cursor },
    signal,
  );
  if (deliveries.length === 0)
    return [
      h("h2", null, "Letters"),
      empty("None of this cause is left.", h("a", { href: "#/dead" }, "See all causes"), "."),
    ];
  const columns = [
    { label: "event", cls: "tight", cell: (d) => h("a", { href: to(["events", d.seq]) }, `#${d.seq}`) },
    { label: "lane", wide: true, cell: (d) => (d.key === null ? "" : h("code", null, cut(d.key, 40))) },
    { label: "attempts", num: true, cell: (d) => d.attempts },
    { label: "message", full: true, cell: (d) => cut(d.error?.message, 200) },
    { label: "died", num: true, cell: (d) => time(d.died) },
  ];
  return [
    h("h2", null, "Letters"),
    table(columns, deliveries, { caption: "Dead letters" }),
    pager(["dead"], query, cursor),
  ];
}
