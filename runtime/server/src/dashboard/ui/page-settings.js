// How this host is set: limits, tokens, hooks, and who changed what. It is changed in its file.

import { api, get, sentence } from "./api.js";
import { h, replace } from "./dom.js";
import { away, bytes, duration, number, time } from "./format.js";
import { empty } from "./notice.js";
import { chip, facts, pager, table } from "./table.js";

const LIMIT = 50;

export async function show({ root, signal, query, title }) {
  title("Settings");
  const settings = await get(api("settings"), null, signal);
  const changes = h("section", { class: "card", id: "changes" }, h("h2", null, "Changes"));
  const note = [
    "Shown, not changed here: the host reads them from its file, its environment and ",
    h("code", null, "trip token"),
    ".",
  ];
  replace(
    root,
    h(
      "div",
      { class: "head" },
      h("h1", null, "Settings"),
      h("span", { class: "dim" }, `version ${settings.version}`),
    ),
    h("p", { class: "dim" }, note),
    card("host", "Host", facts(hostOf(settings))),
    card("limits", "Limits", facts(flat(settings.limits))),
    card("tokens", "Tokens", tokensOf(settings)),
    card("hooks", "Webhooks", hooksOf(settings.hooks)),
    settings.alerts ? card("alerts", "Alerts", alertsOf(settings.alerts)) : null,
    changes,
  );
  try {
    const { entries, cursor } = await get(api("audit"), { limit: LIMIT, cursor: query.cursor }, signal);
    replace(changes, h("h2", null, "Changes"), changesOf(entries), pager(["settings"], query, cursor));
  } catch (error) {
    replace(changes, h("h2", null, "Changes"), h("p", { class: "problem" }, sentence(error)));
  }
}

function hostOf(settings) {
  return [
    ["listens on", h("code", null, settings.listen)],
    ["TLS", settings.tls ? "on" : "off"],
    ["client certificates", settings.clientCertificates ? "asked for" : "not asked for"],
    ["workers", number(settings.workers)],
    ["attempts at once", number(settings.attemptsMax)],
    ...flat(settings.retention, "retention"),
  ];
}

function card(id, title, ...content) {
  return h("section", { class: "card", id }, h("h2", null, title), content);
}

/// Names and values of any depth as one list.
function flat(values, before = "") {
  return Object.entries(values ?? {}).flatMap(([name, value]) => {
    const full = [before, words(name)].filter(Boolean).join(" ");
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return flat(value, full);
    return [[unit(full), shown(name, value)]];
  });
}

/// `eventBytesMax` as words.
function words(name) {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll("_", " ")
    .toLowerCase();
}

function unit(words) {
  return words.replace(/ (ms|s|secs|seconds)$/, "");
}

function shown(name, value) {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return [value].flat().map(String).join(", ") || "none";
  if (/bytes/i.test(name)) return bytes(value);
  if (/ms$/i.test(name)) return duration(value);
  if (/(secs|seconds)$/i.test(name)) return duration(value * 1000);
  return number(value);
}

function tokensOf({ tokens, tokensRequired }) {
  if (!tokensRequired)
    return empty(
      "No token is asked for.",
      "Whoever reaches this host may do everything. Make one with ",
      h("code", null, "trip token create"),
      ".",
    );
  const all = (patterns) =>
    patterns === null || patterns.includes("**") || patterns.includes("*")
      ? h("span", { class: "dim" }, "all")
      : patterns.join(", ");
  return table(
    [
      { label: "name", cell: (token) => h("b", null, token.name) },
      {
        label: "may",
        full: true,
        cell: (token) =>
          h(
            "div",
            { class: "chips" },
            token.scopes.map((scope) =>
              chip(scope, scope === "operate" || scope === "deploy" ? "accent" : ""),
            ),
          ),
      },
      { label: "functions", wide: true, cell: (token) => all(token.functions) },
      { label: "types", wide: true, cell: (token) => all(token.types) },
      { label: "rate", num: true, wide: true, cell: (token) => token.rate ?? "–" },
      { label: "expires", num: true, cell: (token) => (token.expires ? away(token.expires) : "never") },
    ],
    tokens,
    { caption: "Tokens" },
  );
}

function hooksOf(hooks) {
  if (hooks.length === 0)
    return empty(
      "No webhook is set up.",
      "One is a table ",
      h("code", null, "[hooks.NAME]"),
      " of the settings.",
    );
  return table(
    [
      { label: "name", cell: (hook) => h("b", null, hook.name) },
      { label: "path", cell: (hook) => h("code", null, hook.path) },
      { label: "accepted", num: true, cell: (hook) => number(hook.accepted) },
      { label: "answered", num: true, wide: true, cell: (hook) => number(hook.answered) },
      {
        label: "refused",
        num: true,
        cell: (hook) => h("span", { class: hook.refused ? "bad" : "" }, number(hook.refused)),
      },
    ],
    hooks,
    { caption: "Webhooks" },
  );
}

function alertsOf(alerts) {
  const pairs = flat(alerts);
  return pairs.length
    ? facts(pairs)
    : empty("No alert is set.", "The settings have a table ", h("code", null, "[alerts]"), ".");
}

/// The details of a change in a line; a hash says nothing to people.
function told(detail) {
  const pairs = Object.entries(detail ?? {}).filter(([name, value]) => name !== "digest" && value !== null);
  return pairs
    .map(([name, value]) => `${words(name)}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ")
    .slice(0, 200);
}

function changesOf(entries) {
  if (entries.length === 0)
    return empty("Nothing has been changed yet.", "Deploys, pauses and redrives are written down here.");
  return table(
    [
      { label: "when", cls: "tight", cell: (entry) => time(entry.time) },
      {
        label: "who",
        cell: (entry) => entry.actor?.name ?? entry.actor?.certificate ?? entry.actor?.kind ?? "",
      },
      { label: "did", cell: (entry) => [h("b", null, entry.action), " ", entry.target ?? ""] },
      {
        label: "what came of it",
        wide: true,
        cell: (entry) => h("span", { class: "dim" }, told(entry.detail)),
      },
      {
        label: "status",
        num: true,
        cell: (entry) =>
          entry.status ? chip(String(entry.status), entry.status < 400 ? "good" : "bad") : "",
      },
    ],
    entries,
    { caption: "Changes, newest first" },
  );
}
