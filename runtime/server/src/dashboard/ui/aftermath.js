// What became of deliveries that were redriven: followed until each has ended.

import { api, get } from "./api.js";
import { h, place, replace, to } from "./dom.js";
import { number } from "./format.js";
import { action } from "./notice.js";
import { isOpen } from "./waterfall.js";

/// Between two looks: longer each time, for what is tried again later and later.
const AGAIN_MS = 500;
const AGAIN_MAX_MS = 10_000;

/// Follows `ids`, which are all of `count`, or the first of them.
export function aftermath({ name, code, count, ids, signal, done }) {
  const fates = new Map(ids.map((id) => [id, "open"]));
  const told = h("div", { class: "stack", role: "status" });
  const card = h("section", { class: "card aftermath" });
  replace(
    card,
    h(
      "div",
      { class: "row" },
      h("h2", null, `Redriven: ${name}, ${code}`),
      h("span", { class: "grow" }),
      action("Close", () => card.remove()),
    ),
    told,
  );
  const draw = () => replace(told, wordsOf(fates, count));
  let pause = AGAIN_MS;
  const look = async () => {
    if (signal.aborted || !card.isConnected) return;
    const open = [...fates].filter(([, fate]) => fate === "open").map(([id]) => id);
    await Promise.all(open.map(async (id) => fates.set(id, await fateOf(id, signal))));
    draw();
    if (![...fates.values()].includes("open")) return done();
    pause = Math.min(pause * 1.5, AGAIN_MAX_MS);
    return setTimeout(look, pause);
  };
  draw();
  setTimeout(look, 0);
  return card;
}

async function fateOf(id, signal) {
  try {
    const story = await get(api("events", id.split("/")[0]), null, signal);
    const delivery = story.deliveries.find((one) => one.id === id);
    return !delivery || isOpen(delivery.status) ? "open" : delivery.status;
  } catch (error) {
    // An event that is kept no longer has no end to be seen.
    return error.status === 404 ? "gone" : "open";
  }
}

function wordsOf(fates, count) {
  const of = (fate) => [...fates].filter(([, one]) => one === fate).map(([id]) => id);
  const [committed, dead, open] = [of("committed"), of("dead"), of("open")];
  const rest = fates.size - committed.length - dead.length - open.length;
  const bar = h(
    "div",
    { class: "fates", "aria-hidden": "true" },
    [
      ["good", committed],
      ["bad", dead],
      ["", open],
    ].map(([tone, ids]) =>
      place(h("i", { class: tone }), { share: `${(ids.length / Math.max(1, fates.size)) * 100}%` }),
    ),
  );
  const links = dead
    .slice(0, 10)
    .map((id) => [" ", h("a", { href: to(["events", id.split("/")[0]]) }, `#${id.split("/")[0]}`)]);
  const more =
    count > fates.size
      ? h("p", { class: "dim" }, `These are the first ${number(fates.size)} of ${number(count)}.`)
      : null;
  return [
    bar,
    h(
      "p",
      null,
      h("b", { class: "good" }, `${number(committed.length)} committed`),
      ", ",
      h("b", { class: dead.length ? "bad" : "" }, `${number(dead.length)} dead again`),
      ", ",
      h("b", null, `${number(open.length)} still open`),
      rest ? `, ${number(rest)} ended otherwise` : "",
    ),
    dead.length ? h("p", { class: "dim" }, "Dead again:", links) : null,
    more,
  ];
}
