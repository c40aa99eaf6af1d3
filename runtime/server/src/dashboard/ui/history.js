// The plots of the last hours, of the host or of one function.

import { api, get } from "./api.js";
import { h } from "./dom.js";
import { duration, rate, short } from "./format.js";
import { every } from "./live.js";
import { fail } from "./notice.js";
import { plot } from "./plot.js";

/// Four plots that are drawn together.
export function functionPlots() {
  const perSecond = (name) => (point) => (point[name] === null ? null : point[name] / point.seconds);
  const plots = [
    plot({
      title: "Events per second",
      format: rate,
      series: [
        { name: "accepted", tone: "calm", of: perSecond("accepted") },
        { name: "committed", tone: "main area", of: perSecond("committed") },
      ],
    }),
    plot({
      title: "Accept → commit",
      format: duration,
      series: [
        { name: "p50", tone: "calm", of: (point) => point.p50Ms },
        { name: "p99", tone: "main", of: (point) => point.p99Ms, most: true },
      ],
    }),
    plot({
      title: "Open deliveries",
      format: short,
      series: [{ name: "open", tone: "main area", of: (point) => point.open, most: true }],
    }),
    plot({
      title: "Failures per second",
      format: rate,
      series: [
        { name: "retried", tone: "wait", of: perSecond("retried") },
        { name: "dead", tone: "bad", of: perSecond("dead") },
      ],
    }),
  ];
  const element = h(
    "div",
    { class: "plots" },
    plots.map((one) => one.element),
  );
  return { element, update: (...drawn) => plots.forEach((one) => one.update(...drawn)) };
}

const AGAIN_MS = 10_000;

/// Keeps the plots up to date: all at first, and then what is new.
export async function follow(plots, name, minutes, signal) {
  let points = [];
  let busy = false;
  const load = async () => {
    if (busy) return;
    busy = true;
    try {
      const since = Date.now() - minutes * 60_000;
      const from = points.at(-1)?.at ?? since;
      const query = { function: name, from: new Date(from + 1).toISOString() };
      const answer = await get(api("stats", "history"), query, signal);
      const fresh = answer.points.map((p) => ({
        ...p,
        at: Date.parse(p.at),
        // An event is accepted by the host, for however many functions.
        accepted: name ? null : p.accepted,
        seconds: answer.intervalMs / 1000,
      }));
      const last = points.at(-1)?.at ?? 0;
      points = [...points, ...fresh.filter((p) => p.at > last)].filter((p) => p.at >= since);
      plots.update(points, since, Date.now());
    } catch (error) {
      if (points.length === 0) fail(error);
    } finally {
      busy = false;
    }
  };
  every(AGAIN_MS, signal, load);
  await load();
}
