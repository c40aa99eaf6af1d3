// Lines over time, in SVG. Knows numbers and times; not what they count.

import { h, replace, s } from "./dom.js";

const HEIGHT = 132;
const PAD = { left: 44, right: 8, top: 8, bottom: 20 };

/// A plot of `series`, which are `{ name, tone, of(point), most }`: what stands for several points
/// is their mean, or with `most` the greatest. `update(points, from, till)` draws; all times are in ms.
export function plot({ title, series, format }) {
  const readings = series.map(() => h("b", null, ""));
  const legend = series.map((one, i) =>
    h("span", { class: `key ${one.tone}` }, h("i", { "aria-hidden": "true" }), `${one.name} `, readings[i]),
  );
  const when = h("span", { class: "when" });
  const canvas = s("svg", { role: "img", "aria-label": title });
  const box = h(
    "figure",
    { class: "plot" },
    h("figcaption", null, h("span", { class: "name" }, title), legend, when),
    canvas,
  );
  const state = { points: [], from: 0, till: 1, shown: [], width: 0, series, format, canvas, title };
  const read = (point) => readAt(state, readings, when, point);
  const draw = () => {
    if (state.width > 0) redraw(state);
    read(null);
  };
  watchSize(canvas, state, draw);
  watchPointer(canvas, state, read);
  const update = (points, from, till) => {
    Object.assign(state, { points, from, till });
    draw();
  };
  return { element: box, update };
}

function watchSize(canvas, state, draw) {
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width === state.width) return;
    state.width = width;
    draw();
  });
  observer.observe(canvas);
}

function watchPointer(canvas, state, read) {
  canvas.addEventListener("pointermove", (event) => {
    const x = event.clientX - canvas.getBoundingClientRect().left;
    const near = nearest(state, x);
    read(near);
    const line = canvas.querySelector(".cursor");
    if (!line) return;
    line.toggleAttribute("hidden", !near);
    if (near) {
      line.setAttribute("x1", near.x);
      line.setAttribute("x2", near.x);
    }
  });
  canvas.addEventListener("pointerleave", () => {
    canvas.querySelector(".cursor")?.setAttribute("hidden", "");
    read(null);
  });
}

function nearest({ shown }, x) {
  let best = null;
  for (const point of shown) {
    if (!best || Math.abs(point.x - x) < Math.abs(best.x - x)) best = point;
  }
  return best;
}

/// Shows the values of a point in the legend; without one, the last.
function readAt({ series, shown, format }, readings, when, point) {
  const read = point ?? shown.at(-1);
  series.forEach((_, i) => {
    const value = read?.values[i];
    readings[i].textContent = value == null ? "–" : format(value);
  });
  when.textContent = point ? clock(point.at, true) : "";
}

function redraw(state) {
  const { canvas, points, from, till, series, width, format, title } = state;
  canvas.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const columns = gather(points, series, Math.max(20, Math.floor((width - PAD.left) / 3)));
  const values = columns.flatMap((column) => column.values).filter((value) => value != null);
  const top = ceiling(Math.max(0, ...values));
  const x = (at) => PAD.left + ((at - from) / Math.max(1, till - from)) * (width - PAD.left - PAD.right);
  const y = (value) => HEIGHT - PAD.bottom - (value / top) * (HEIGHT - PAD.top - PAD.bottom);
  state.shown = columns.map((column) => ({ ...column, x: Math.round(x(column.at) * 10) / 10 }));
  const lines = series.map((one, i) => line(state.shown, i, y, one.tone));
  const cursor = s("line", { class: "cursor", y1: PAD.top, y2: HEIGHT - PAD.bottom, hidden: true });
  replace(canvas, grid(top, y, width, format), hours(from, till, x, width), lines, cursor);
  const last = series.map((one, i) => `${one.name} ${format(state.shown.at(-1)?.values[i] ?? 0)}`);
  canvas.setAttribute("aria-label", `${title}: now ${last.join(", ")}`);
}

/// At most `most` columns, of as many points each as it takes.
function gather(points, series, most) {
  const size = Math.max(1, Math.ceil(points.length / most));
  const columns = [];
  for (let i = 0; i < points.length; i += size) {
    const part = points.slice(i, i + size);
    const values = series.map((one) =>
      fold(
        part.map(one.of).filter((value) => value != null),
        one.most,
      ),
    );
    columns.push({ at: part.at(-1).at, values });
  }
  return columns;
}

function fold(values, most) {
  if (values.length === 0) return null;
  return most ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

function grid(top, y, width, format) {
  return [0, top / 2, top].map((value) => [
    s("line", {
      class: value === 0 ? "axis" : "grid",
      x1: PAD.left,
      x2: width - PAD.right,
      y1: y(value),
      y2: y(value),
    }),
    s("text", { class: "tick", x: PAD.left - 6, y: y(value) + 3.5, "text-anchor": "end" }, format(value)),
  ]);
}

const STEPS_MIN = [1, 5, 10, 15, 30, 60, 120, 360];

function hours(from, till, x, width) {
  const room = Math.max(2, Math.floor(width / 90));
  const step = (STEPS_MIN.find((min) => (till - from) / (min * 6e4) <= room) ?? 360) * 6e4;
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at < till; at += step) {
    if (x(at) > width - 24 || x(at) < PAD.left + 4) continue;
    ticks.push(s("text", { class: "tick", x: x(at), y: HEIGHT - 5, "text-anchor": "middle" }, clock(at)));
  }
  return ticks;
}

function clock(at, seconds) {
  const parts = { hour: "2-digit", minute: "2-digit", hour12: false };
  return new Date(at).toLocaleTimeString("en-GB", seconds ? { ...parts, second: "2-digit" } : parts);
}

/// One line; where there is no value it is broken.
function line(shown, index, y, tone) {
  const pieces = [];
  let piece = null;
  for (const { x, values } of shown) {
    const value = values[index];
    if (value == null) {
      piece = null;
      continue;
    }
    if (!piece) pieces.push((piece = []));
    piece.push(`${x},${Math.round(y(value) * 10) / 10}`);
  }
  return pieces.map((points) => {
    const d = points.length === 1 ? `M${points[0]}h1.5` : `M${points.join("L")}`;
    const floor = y(0);
    const area = `${d}V${floor}H${points[0].split(",")[0]}Z`;
    return [
      tone.includes("area") ? s("path", { class: `fill ${tone}`, d: area }) : null,
      s("path", { class: `line ${tone}`, d }),
    ];
  });
}
