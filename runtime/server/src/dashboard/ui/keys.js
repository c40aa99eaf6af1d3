// The keyboard: pages by `g` and a letter, lists by j and k, help by `?`. Knows the shell of the
// page, and none of its content.

import { h } from "./dom.js";
import { dialog } from "./notice.js";

const KEYS = [
  ["g o", "Overview"],
  ["g f", "Functions"],
  ["g e", "Events"],
  ["g q", "Queue"],
  ["g d", "Dead letters"],
  ["g s", "State"],
  ["g n", "Send an event"],
  ["g c", "Settings"],
  ["/", "Search or filter"],
  ["j  k", "Next and previous in a list"],
  ["Enter", "Open"],
  ["Esc", "Back, or close"],
  ["t", "Light, dark or the system's colours"],
  ["?", "This help"],
];

const AFTER_G_MS = 1500;

export function bindKeys({ theme }) {
  let afterG = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const act = event.timeStamp - afterG < AFTER_G_MS ? page(event.key) : null;
    afterG = event.key === "g" ? event.timeStamp : 0;
    const run = act ?? single(event.key, theme);
    if (!run) return;
    event.preventDefault();
    run();
  });
}

function isTyping(target) {
  return target instanceof Element && target.matches("input, textarea, select");
}

function page(key) {
  const link = [...document.querySelectorAll("#nav [data-key]")].find((a) => a.dataset.key === key);
  return link ? () => link.click() : null;
}

function single(key, theme) {
  switch (key) {
    case "j":
      return () => move(1);
    case "k":
      return () => move(-1);
    case "/":
      return () => document.querySelector("main [data-search]")?.focus();
    case "t":
      return theme;
    case "?":
      return help;
    case "Escape":
      // Only from a page that lies below another.
      return location.hash.split("/").length > 2 ? () => history.back() : null;
    default:
      return null;
  }
}

/// Focuses the first link of the next or previous row.
function move(step) {
  const rows = [...document.querySelectorAll("main [data-row]")].filter((row) => link(row));
  if (rows.length === 0) return;
  const now = rows.findIndex((row) => row.contains(document.activeElement));
  const next =
    now < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(now + step, 0), rows.length - 1);
  link(rows[next]).focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

function link(row) {
  return row.querySelector("a[href], button");
}

export function help() {
  const rows = KEYS.map(([keys, does]) => {
    const each = keys.split(/ +/).map((key) => h("kbd", null, key));
    return h("div", null, h("dt", null, each), h("dd", null, does));
  });
  return dialog("Keys", h("dl", { class: "keys" }, rows), [{ label: "Close", value: "", kind: "primary" }]);
}
