// All functions; and where a component is dropped to make one.

import { api, get } from "./api.js";
import { h, replace, to } from "./dom.js";
import { number, percent, short } from "./format.js";
import { every } from "./live.js";
import { empty, fail, fillWith } from "./notice.js";
import { chip, pager, table } from "./table.js";
import { uploader } from "./upload.js";

const AGAIN_MS = 5000;
const LIMIT = 50;
/// Between a key and the question: who types goes on typing.
const TYPED_MS = 150;

export async function show({ root, signal, query, title }) {
  title("Functions");
  let asked = query;
  const list = h("section", { class: "card", id: "list" });
  const filter = h("input", {
    type: "search",
    placeholder: "Filter by name",
    "aria-label": "Filter by name",
    "data-search": true,
    value: asked.name ?? "",
  });
  const place = h("div", { class: "stack" });
  replace(
    root,
    h("div", { class: "head" }, h("h1", null, "Functions"), filter),
    uploader({ place }),
    place,
    list,
  );
  /// What was asked last, however the answers overtake each other.
  const load = async () => {
    for (;;) {
      const before = asked;
      const { name: contains, cursor } = before;
      const page = await get(api("functions"), { contains, limit: LIMIT, cursor }, signal);
      if (asked === before) return listOf(page, before);
    }
  };
  const refresh = () => load().then((made) => replace(list, made), fail);
  let typed;
  filter.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => {
      if (signal.aborted) return;
      asked = { name: filter.value.trim() };
      // The address is that of what is shown, and the page stays with its focus.
      history.replaceState(null, "", to(["functions"], asked));
      refresh();
    }, TYPED_MS);
  });
  await fillWith(list, load);
  every(AGAIN_MS, signal, () => {
    // Not while a key walks through the list: it would lose its place.
    if (list.contains(document.activeElement)) return;
    refresh();
  });
}

function listOf({ functions, cursor }, asked) {
  const next = pager(["functions"], asked, cursor);
  if (functions.length > 0) return [table(COLUMNS, functions, { caption: "Functions" }), next];
  if (asked.name) return empty("No function has this in its name.", "Try less of it.");
  if (asked.cursor) return [empty("None on this page."), next];
  return empty(
    "No function is deployed yet.",
    "Drop a component above, or run ",
    h("code", null, "trip deploy PATH"),
    ".",
  );
}

const open = ({ ready, running, waiting, blocked }) => ready + running + waiting + blocked;

const COLUMNS = [
  { label: "name", cell: (f) => [h("a", { href: to(["functions", f.name]) }, f.name), " ", standing(f)] },
  { label: "serves", cell: (f) => serves(f) },
  { label: "handles", wide: true, cell: (f) => handles(f) },
  { label: "open", num: true, cell: (f) => short(open(f.counts)) },
  { label: "committed", num: true, wide: true, cell: (f) => number(f.counts.committed) },
  {
    label: "attempts that succeed",
    num: true,
    wide: true,
    cell: (f) => percent(f.counts.committed, f.counts.committed + f.counts.retried),
  },
  {
    label: "dead",
    num: true,
    cell: (f) =>
      f.counts.dead
        ? h("a", { class: "bad", href: to(["dead"], { function: f.name }) }, number(f.counts.dead))
        : "0",
  },
];

/// What is unusual about a function, as chips.
export function standing(f) {
  const { paused, breaker } = f;
  const active = f.revisions.find((r) => r.active);
  return [
    paused ? h("span", { title: paused.reason }, chip("paused", "wait")) : null,
    breaker && breaker.state !== "closed" ? chip(`breaker ${breaker.state}`, "bad") : null,
    active?.manifest.sink ? chip("subscription") : null,
  ];
}

function serves({ active, canary }) {
  if (!active) return h("span", { class: "dim" }, "no revision");
  return canary ? `${active}, ${canary.weight} % ${canary.revision}` : active;
}

function handles({ revisions }) {
  const active = revisions.find((r) => r.active) ?? revisions.at(-1);
  const on = [active?.manifest.on ?? []].flat();
  return h("code", null, on.slice(0, 4).join(", "), on.length > 4 ? ` and ${on.length - 4} more` : "");
}
