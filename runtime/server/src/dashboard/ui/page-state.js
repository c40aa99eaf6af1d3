// What functions remember: by function and key, and who wrote it.

import { api, get } from "./api.js";
import { h, replace, to } from "./dom.js";
import { away, bytes, cut, number, time } from "./format.js";
import { diff } from "./diff.js";
import { inline, payload } from "./json.js";
import { empty, fillWith } from "./notice.js";
import { chip, pager, table } from "./table.js";

const LIMIT = 50;
/// Each write is shown with what it changed.
const WRITES = 20;

export async function show({ root, signal, query, argument: name, title }) {
  title(name ? `State of ${name}` : "State");
  const { functions } = await get(api("functions"), null, signal);
  const list = h("section", { class: "card", id: "list" });
  const past = h("section", { class: "card", id: "history" });
  const asked = query.name !== undefined;
  replace(
    root,
    h("div", { class: "head" }, h("h1", null, name ? `State of ${name}` : "State"), chooser(functions, name)),
    name ? h("section", { class: "card" }, form(name, query)) : null,
    asked ? past : null,
    list,
  );
  if (!name) return replace(list, overview(functions));
  return Promise.all([
    fillWith(list, () => entriesOf(name, query, signal)),
    asked ? fillWith(past, () => historyOf(name, query, signal)) : null,
  ]);
}

function chooser(functions, name) {
  const which = h(
    "select",
    { "aria-label": "Of which function", "data-search": !name },
    h("option", { value: "" }, "Choose a function"),
    functions.map((f) => h("option", { value: f.name }, f.name)),
  );
  which.value = name ?? "";
  which.addEventListener("change", () => {
    location.hash = which.value ? to(["state", which.value]) : "#/state";
  });
  return which;
}

function overview(functions) {
  const with_state = functions
    .filter((f) => f.state.entries > 0)
    .sort((one, other) => other.state.bytes - one.state.bytes);
  if (with_state.length === 0)
    return empty(
      "No function remembers anything yet.",
      "State is what a handler writes with ",
      h("code", null, "ctx.state().set(…)"),
      ".",
    );
  return table(
    [
      { label: "function", cell: (f) => h("a", { href: to(["state", f.name]) }, f.name) },
      { label: "entries", num: true, cell: (f) => number(f.state.entries) },
      { label: "size", num: true, cell: (f) => bytes(f.state.bytes) },
    ],
    with_state.slice(0, 200),
    { caption: "Functions with state" },
  );
}

function form(name, query) {
  const submit = (event) => {
    event.preventDefault();
    location.hash = to(["state", name], Object.fromEntries(new FormData(event.target)));
  };
  return h(
    "form",
    { class: "fields search", role: "search", onsubmit: submit },
    h(
      "label",
      null,
      "Ordering key, exactly",
      h("input", {
        name: "key",
        value: query.key ?? "",
        "data-search": true,
        autocomplete: "off",
        spellcheck: "false",
      }),
    ),
    h(
      "label",
      null,
      "Names that begin with",
      h("input", { name: "prefix", value: query.prefix ?? "", autocomplete: "off", spellcheck: "false" }),
    ),
    h(
      "div",
      { class: "row" },
      h("button", { class: "primary" }, "Search"),
      query.key || query.prefix ? h("a", { href: to(["state", name]) }, "Clear") : null,
    ),
  );
}

async function entriesOf(name, query, signal) {
  const { key, prefix, cursor } = query;
  const asked = { key: query.name === undefined ? key : null, prefix, cursor, limit: LIMIT };
  const page = await get(api("functions", name, "state"), asked, signal);
  const next = pager(["state", name], { key, prefix, cursor }, page.cursor);
  if (page.entries.length === 0) return [nothingOf(name, key || prefix), next];
  const columns = [KEY, { label: "name", cell: (entry) => linkOf(name, entry) }, ...VALUE];
  return [table(columns, page.entries, { caption: `State of ${name}` }), next];
}

const KEY = {
  label: "key",
  cell: ({ key }) =>
    key === null ? h("span", { class: "dim" }, "without a key") : h("code", null, cut(key, 60)),
};
const VALUE = [
  { label: "value", full: true, cell: (entry) => inline(entry) },
  { label: "expires", num: true, wide: true, cell: ({ expires }) => (expires ? away(expires) : "") },
];

/// To the history of an entry.
function linkOf(name, entry) {
  const key = entry.key === null ? {} : { key: entry.key };
  return h("a", { href: to(["state", name], { ...key, name: entry.name }) }, cut(entry.name, 80));
}

function nothingOf(name, asked) {
  if (asked)
    return empty(
      "Nothing is kept under this.",
      h("a", { href: to(["state", name]) }, "Clear the search"),
      ".",
    );
  const link = h("a", { href: to(["functions", name]) }, "see the function");
  return empty(`${name} remembers nothing.`, "State is what its handler writes: ", link, ".");
}

/// Who wrote an entry, newest first, with what each write changed.
async function historyOf(name, query, signal) {
  const asked = { key: query.key, name: query.name, limit: WRITES, cursor: query.cursor };
  const { writes, cursor } = await get(api("functions", name, "state", "history"), asked, signal);
  const under = query.key === undefined ? "" : [" under ", h("code", null, cut(query.key, 120))];
  const title = h("h2", null, "History of ", h("code", null, cut(query.name, 120)), under);
  const close = h("a", { href: to(["state", name]) }, "Close");
  const head = h("div", { class: "row" }, title, h("span", { class: "grow" }), close);
  if (writes.length === 0)
    return [head, empty("No write is known.", "It was written before the history that is still kept.")];
  const items = writes.map((write, at) => writeOf(write, writes[at + 1]));
  return [head, h("ol", { class: "history" }, items), pager(["state", name], query, cursor)];
}

function writeOf(write, earlier) {
  const by = [`attempt ${write.attempt} on ${write.revision} · `, time(write.at, { precise: true })];
  const row = [
    h("a", { href: to(["events", write.event]) }, `#${write.event}`),
    h("span", { class: "dim" }, by),
    write.deleted ? chip("deleted", "bad") : null,
    write.expires ? h("span", { class: "dim" }, "expires ", away(write.expires)) : null,
  ];
  return h("li", { "data-row": true }, h("div", { class: "row" }, row), changeOf(write, earlier));
}

function changeOf(write, earlier) {
  if (write.deleted) return null;
  if (write.value !== undefined && earlier?.value !== undefined) return diff(earlier.value, write.value);
  return payload(write);
}
