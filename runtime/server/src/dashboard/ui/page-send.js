// An event is composed, or one that came before is taken to begin with; and what became of it.

import { api, ask, get, Problem, sentence } from "./api.js";
import { h, replace, to } from "./dom.js";
import { cut, time } from "./format.js";
import { check } from "./json.js";
import { busy, fail } from "./notice.js";
import { concrete, newId } from "./sample.js";
import { status, table } from "./table.js";

const SAMPLES_MAX = 20;

export async function show({ root, signal, query, title }) {
  title("Send");
  const [{ functions }, { events }] = await Promise.all([
    get(api("functions"), null, signal),
    get(api("events"), { limit: SAMPLES_MAX }, signal),
  ]);
  const form = formOf(query);
  const result = h("section", { class: "card", id: "receipt", role: "status", hidden: true });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form.querySelector(".primary"), () => send(form, result, signal));
  });
  const take = (seq) => async () => {
    try {
      fill(form, (await get(api("events", seq), null, signal)).event);
      form.scrollIntoView({ block: "nearest" });
      form.elements.type.focus();
    } catch (error) {
      fail(error);
    }
  };
  replace(
    root,
    h("div", { class: "head" }, h("h1", null, "Send an event")),
    h(
      "div",
      { class: "columns" },
      h("div", { class: "stack" }, h("section", { class: "card" }, form), result),
      h(
        "section",
        { class: "card", id: "samples" },
        h("h2", null, "Begin with one"),
        patternsOf(functions, form),
        samplesOf(events, take),
      ),
    ),
  );
}

function formOf(query) {
  const wait = h("input", { type: "checkbox", name: "wait", checked: true });
  return h(
    "form",
    { class: "stack" },
    h(
      "div",
      { class: "fields" },
      field("type", "Type", query.type, { required: true, "data-search": true, placeholder: "order.placed" }),
      field("subject", "Subject", query.subject, { placeholder: "may be left out" }),
    ),
    h(
      "div",
      { class: "fields" },
      field("source", "Source", "/dashboard", { required: true }),
      field("id", "Id", "", { placeholder: "made for you" }),
    ),
    area("data", "Data, as JSON; left empty for none", { rows: "9", value: '{\n  "quantity": 10\n}' }),
    area("more", "More headers, as a JSON object", {
      rows: "2",
      placeholder: '{"priority": 7, "delay": "10m"}',
    }),
    h(
      "div",
      { class: "row" },
      h("button", { class: "primary" }, "Send"),
      h("label", { class: "inline" }, wait, "wait for what becomes of it"),
    ),
  );
}

function field(name, label, value = "", more) {
  return h(
    "label",
    null,
    label,
    h("input", { name, value, autocomplete: "off", spellcheck: "false", ...more }),
  );
}

function area(name, label, more) {
  return h("label", null, label, h("textarea", { name, spellcheck: "false", ...more }));
}

const OWN = ["specversion", "id", "source", "type", "subject", "data", "data_base64"];

/// Puts an earlier event into the form, with an id of its own.
function fill(form, event) {
  const { type, subject, source, data, id } = form.elements;
  [type.value, subject.value, source.value, id.value] = [event.type, event.subject ?? "", event.source, ""];
  data.value = event.data === undefined ? "" : JSON.stringify(event.data, null, 2);
  const more = Object.entries(event).filter(
    ([name]) => !OWN.includes(name) && name !== "datacontenttype" && name !== "time",
  );
  if (event.data_base64 !== undefined)
    more.push(["data_base64", event.data_base64], ["datacontenttype", event.datacontenttype]);
  form.elements.more.value = more.length ? JSON.stringify(Object.fromEntries(more), null, 2) : "";
}

function patternsOf(functions, form) {
  const patterns = [
    ...new Set(functions.flatMap((f) => [f.revisions.find((r) => r.active)?.manifest.on ?? []].flat())),
  ].slice(0, 40);
  if (patterns.length === 0)
    return h(
      "p",
      { class: "dim" },
      "No function is deployed: an event is kept all the same. ",
      h("a", { href: "#/functions" }, "Deploy one"),
      ".",
    );
  const pick = (pattern) => () => {
    form.elements.type.value = concrete(pattern);
    form.elements.type.focus();
  };
  return h(
    "div",
    { class: "stack" },
    h("h3", null, "Types that functions handle"),
    h(
      "div",
      { class: "chips" },
      patterns.map((pattern) =>
        h("button", { type: "button", class: "pick", onclick: pick(pattern) }, pattern),
      ),
    ),
  );
}

function samplesOf(events, take) {
  if (events.length === 0) return h("p", { class: "dim" }, "Nothing has come in yet, so there is no sample.");
  const columns = [
    {
      label: "type",
      cell: (event) =>
        h("button", { type: "button", class: "quiet", onclick: take(event.seq) }, cut(event.type, 60)),
    },
    { label: "subject", cell: (event) => cut(event.subject ?? "", 40) },
    { label: "accepted", num: true, wide: true, cell: (event) => time(event.accepted) },
  ];
  return [h("h3", null, "The last ones"), table(columns, events, { caption: "Events to begin with" })];
}

/// The event as JSON; the payload is spliced in as it was written.
function compose({ type, subject, source, id, data, more }) {
  const text = data.value.trim();
  const extra = more.value.trim();
  for (const [what, value] of [
    ["The data", text],
    ["What stands under more headers", extra],
  ]) {
    const wrong = value ? check(value) : null;
    if (wrong) throw new Problem(400, "page.json", `${what}: ${wrong}`);
  }
  const members = {
    ...(extra ? JSON.parse(extra) : {}),
    specversion: "1.0",
    id: id.value || newId(),
    source: source.value,
    type: type.value,
  };
  if (subject.value) members.subject = subject.value;
  const head = JSON.stringify(members).slice(0, -1);
  return text && members.data_base64 === undefined ? `${head},"data":${text}}` : `${head}}`;
}

async function send(form, result, signal) {
  result.hidden = false;
  try {
    const body = compose(form.elements);
    const headers = { "content-type": "application/cloudevents+json" };
    if (form.elements.wait.checked) headers.prefer = "wait=10";
    const {
      events: [receipt],
    } = await ask("POST", "/events", { body, headers, signal });
    replace(result, receiptOf(receipt));
  } catch (error) {
    if (error.name !== "AbortError") replace(result, h("p", { class: "problem" }, sentence(error)));
  }
}

function receiptOf(receipt) {
  const where = h("a", { href: to(["events", receipt.seq]) }, `#${receipt.seq}`);
  const known = receipt.duplicate ? "The host has had this event before, as " : "On disk as ";
  const goes = receipt.functions.length
    ? ` for ${receipt.functions.join(", ")}.`
    : " for nobody yet: no function handles this type.";
  const results = (receipt.results ?? []).map((one) =>
    h(
      "p",
      { class: "row" },
      h("b", null, one.function),
      status(one.status),
      one.revision ?? "",
      one.error ? h("span", { class: "bad" }, `${one.error.code} ${one.error.message}`) : null,
    ),
  );
  return [h("p", null, known, where, goes), results];
}
