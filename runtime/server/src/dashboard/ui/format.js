// Numbers, times and sizes as people read them. Knows no pages.

import { h } from "./dom.js";

const NONE = "–";

export function number(value) {
  return value == null ? NONE : Number(value).toLocaleString("en");
}

/// A number that has to be short: 1.2 k, 3.4 M.
export function short(value) {
  if (value == null) return NONE;
  for (const [unit, size] of [
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e4],
  ]) {
    if (Math.abs(value) >= size) {
      return `${significant(value / (unit === "k" ? 1e3 : size))} ${unit}`;
    }
  }
  return number(Math.abs(value) < 100 ? Math.round(value * 10) / 10 : Math.round(value));
}

/// Per second.
export function rate(value) {
  if (value == null) return NONE;
  if (value === 0) return "0";
  return value < 0.1 ? "< 0.1" : short(value);
}

/// A duration in milliseconds.
export function duration(ms) {
  if (ms == null) return NONE;
  const size = Math.abs(ms);
  if (size < 1) return `${significant(ms)} ms`;
  if (size < 1e3) return `${size < 10 ? significant(ms) : Math.round(ms)} ms`;
  if (size < 6e4) return `${significant(ms / 1e3)} s`;
  if (size < 36e5) return two(ms, 6e4, "min", 1e3, "s");
  if (size < 864e5) return two(ms, 36e5, "h", 6e4, "min");
  return two(ms, 864e5, "d", 36e5, "h");
}

function significant(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3)));
}

function two(ms, large, largeUnit, small, smallUnit) {
  const whole = Math.floor(ms / large);
  const rest = Math.floor((ms - whole * large) / small);
  return rest && whole < 10 ? `${whole} ${largeUnit} ${rest} ${smallUnit}` : `${whole} ${largeUnit}`;
}

export function bytes(value) {
  if (value == null) return NONE;
  for (const [unit, size] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ]) {
    if (value >= size) return `${significant(value / size)} ${unit}`;
  }
  return `${number(value)} B`;
}

export function percent(part, whole) {
  return whole ? `${significant((part / whole) * 100)} %` : NONE;
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
const DAY = { day: "2-digit", month: "short" };

/// A moment, with the whole of it to be read by hovering.
export function time(text, { precise = false } = {}) {
  if (!text) return NONE;
  const at = new Date(text);
  const clock = at.toLocaleTimeString("en-GB", CLOCK);
  const ms = precise ? `.${String(at.getMilliseconds()).padStart(3, "0")}` : "";
  const today = at.toDateString() === new Date().toDateString();
  const day = today ? "" : `${at.toLocaleDateString("en-GB", day_of(at))} `;
  return h("time", { datetime: text, title: text }, `${day}${clock}${ms}`);
}

/// A moment by the clocks of a zone, which it names: `Mon 5 Oct, 02:30 GMT+2`. By those of UTC
/// where the browser does not know the zone.
export function timeIn(text, zone) {
  const at = new Date(text);
  return h("time", { datetime: text, title: text }, shownIn(at, zone) ?? shownIn(at, "UTC"));
}

function shownIn(at, timeZone) {
  const clock = { weekday: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "shortOffset" };
  try {
    return at.toLocaleString("en-GB", { ...day_of(at), ...clock, timeZone });
  } catch {
    return null;
  }
}

function day_of(at) {
  return at.getFullYear() === new Date().getFullYear() ? DAY : { ...DAY, year: "numeric" };
}

/// How far from now: `in 4 min`, `3 s ago`.
export function away(text) {
  if (!text) return NONE;
  const ms = new Date(text) - Date.now();
  const words = Math.abs(ms) < 1e3 ? "now" : ms > 0 ? `in ${duration(ms)}` : `${duration(-ms)} ago`;
  return h("time", { datetime: text, title: text }, words.replace(/\.\d+ s/, " s"));
}

/// Text that may be anybody's and of any length.
export function cut(text, most = 120) {
  const all = String(text ?? "");
  return all.length > most ? `${all.slice(0, most)}…` : all;
}
