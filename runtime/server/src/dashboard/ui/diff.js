// The difference of two values, line by line. Knows no revisions and no effects.

import { h } from "./dom.js";

/// Above this, what differs is shown as one piece: the comparison is quadratic.
const LINES_MAX = 600;

/// The lines of two values as JSON: those that are gone, those that are new, and those between.
export function diff(before, after) {
  const lines = compare(lines_of(before), lines_of(after));
  if (lines.every(([mark]) => mark === " ")) return h("p", { class: "dim" }, "No difference.");
  const shown = fold(lines).map(([mark, text]) => h("span", { class: CLASSES[mark] }, `${mark} ${text}\n`));
  return h("pre", { class: "code diff", tabindex: "0" }, shown);
}

const CLASSES = { "+": "plus", "-": "minus", " ": "same", "⋯": "dim" };

/// Whether two values are the same JSON, whatever the order of their members.
export function same(one, other) {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function lines_of(value) {
  if (value === undefined || value === null) return [];
  return JSON.stringify(sorted(value), null, 2).split("\n");
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object" || JSON.isRawJSON?.(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, sorted(value[name])]),
  );
}

function compare(old, now) {
  if (old.length > LINES_MAX || now.length > LINES_MAX) {
    return [...old.map((text) => ["-", text]), ...now.map((text) => ["+", text])];
  }
  const length = common(old, now);
  const lines = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      lines.push([" ", old[i]]);
      i += 1;
      j += 1;
    } else if (j >= now.length || (i < old.length && length[i + 1][j] >= length[i][j + 1])) {
      lines.push(["-", old[i++]]);
    } else {
      lines.push(["+", now[j++]]);
    }
  }
  return lines;
}

/// How many lines the ends from (i, j) on have in common.
function common(old, now) {
  const length = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      length[i][j] =
        old[i] === now[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  return length;
}

const AROUND = 3;

/// Leaves out what is far from every difference.
function fold(lines) {
  const near = lines.map((_, at) =>
    lines.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(([mark]) => mark !== " "),
  );
  const kept = [];
  lines.forEach((line, at) => {
    if (near[at]) kept.push(line);
    else if (kept.at(-1)?.[0] !== "⋯") kept.push(["⋯", ""]);
  });
  return kept;
}
