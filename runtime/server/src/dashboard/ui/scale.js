// The time axis of a waterfall: straight, but for long times in which nothing ran, which are cut
// to a mark. Knows only spans.

import { duration } from "./format.js";

/// Such a time is cut when it is so many times as long as all that ran.
const CUT_FACTOR = 3;
/// How much of the width a cut gets, in percent; all of them together at most half.
const CUT_WIDTH = 7;

/// Of rows with `spans`: `at(ms)` in percent, and what to write along it.
export function scale(rows) {
  const spans = rows.flatMap((row) => row.spans);
  const from = Math.min(...spans.map((span) => span.from));
  const till = Math.max(from + 1, ...spans.map((span) => span.till));
  const pieces = cut(busy(spans, from, till), from, till);
  const cuts = pieces.filter((piece) => piece.cut).length;
  const cutWidth = cuts ? Math.min(CUT_WIDTH, 50 / cuts) : 0;
  const whole = pieces.reduce((sum, piece) => sum + (piece.cut ? 0 : piece.till - piece.from), 0) || 1;
  const room = 100 - cutWidth * cuts;
  let x = 0;
  for (const piece of pieces) {
    piece.x = x;
    piece.width = piece.cut ? cutWidth : ((piece.till - piece.from) / whole) * room;
    x += piece.width;
  }
  return { at: (ms) => place(pieces, ms), marks: marks(pieces, from) };
}

/// When something ran, as pieces that do not touch.
function busy(spans, from, till) {
  const ran = spans.filter((span) => span.kind !== "wait").map((span) => [span.from, span.till]);
  ran.push([from, from], [till, till]);
  ran.sort((one, other) => one[0] - other[0]);
  const merged = [];
  for (const [start, end] of ran) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

function cut(ran, from, till) {
  const total = Math.max(
    1,
    ran.reduce((sum, [start, end]) => sum + end - start, 0),
  );
  const long = Math.max(250, total * CUT_FACTOR);
  const pieces = [];
  let since = from;
  for (let i = 1; i < ran.length; i += 1) {
    const [end, start] = [ran[i - 1][1], ran[i][0]];
    if (start - end < long || ran.length < 3) continue;
    if (end > since) pieces.push({ from: since, till: end });
    pieces.push({ from: end, till: start, cut: true });
    since = start;
  }
  if (till > since || pieces.length === 0) pieces.push({ from: since, till });
  return pieces;
}

function place(pieces, ms) {
  const piece = pieces.findLast((one) => one.from <= ms) ?? pieces[0];
  const share = Math.min(1, Math.max(0, (ms - piece.from) / Math.max(1, piece.till - piece.from)));
  return piece.x + share * piece.width;
}

function marks(pieces, from) {
  const all = [];
  const add = (at, text) => {
    // A short time has fewer marks than there is room for.
    if (all.at(-1)?.text !== text) all.push({ at, text });
  };
  for (const piece of pieces) {
    if (piece.cut) {
      all.push({ at: piece.x, text: `⋯ ${duration(piece.till - piece.from)}`, cut: true });
      continue;
    }
    const steps = Math.max(1, Math.floor(piece.width / 24));
    for (let i = 0; i < steps; i += 1) {
      const share = i / steps;
      const ms = piece.from + share * (piece.till - piece.from) - from;
      add(piece.x + share * piece.width, ms < 0.5 ? "0" : `+${duration(Math.round(ms))}`);
    }
  }
  return all;
}
