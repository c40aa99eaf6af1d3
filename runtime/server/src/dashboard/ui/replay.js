// An event for a function once more, as it was or with another payload.

import { api, ask } from "./api.js";
import { h, replace } from "./dom.js";
import { check } from "./json.js";
import { busy, dialog, say } from "./notice.js";

/// Asks for which function and with which payload, and does it.
export async function replayDialog(story, functions) {
  if (functions.length === 0) {
    say("There is no function to replay it to.", "bad");
    return;
  }
  const original = editable(story.event);
  const which = h(
    "select",
    { name: "function" },
    ordered(story, functions).map((name) => h("option", { value: name }, name)),
  );
  const text = h("textarea", {
    name: "data",
    rows: "12",
    spellcheck: "false",
    value: original.text,
    readonly: original.kind === "binary",
  });
  const wrong = h("div");
  const send = h("button", { class: "primary" }, "Replay as it was");
  const cancel = h("button", { type: "button", onclick: () => cancel.closest("dialog").close() }, "Cancel");
  const relabel = () => {
    send.textContent = text.value === original.text ? "Replay as it was" : "Replay with this payload";
  };
  text.addEventListener("input", relabel);
  const form = h(
    "form",
    { class: "stack" },
    h("label", null, "Function", which),
    h("label", null, `Payload (${original.label})`, text),
    wrong,
    h("div", { class: "row end" }, cancel, send),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const edited = text.value === original.text ? null : text.value;
    const problem = edited !== null && original.kind === "json" ? check(edited) : null;
    replace(wrong, problem ? h("p", { class: "problem", role: "alert" }, problem) : null);
    if (!problem) await busy(send, () => replay(story.seq, which.value, original.kind, edited, form));
  });
  await dialog(`Replay #${story.seq}`, form, []);
}

async function replay(seq, name, kind, edited, form) {
  const body = bodyOf(name, kind, edited);
  const answer = await ask("POST", api("events", seq, "replay"), {
    body,
    headers: { "content-type": "application/json" },
  });
  form.closest("dialog").close();
  say(`Replayed for ${name}${answer.seq ? ` as #${answer.seq}` : ""}.`);
  if (answer.seq) location.hash = `#/events/${answer.seq}`;
}

/// The payload is spliced in as it was written: no number in it is read and written again.
function bodyOf(name, kind, edited) {
  const start = `{"function":${JSON.stringify(name)}`;
  if (edited === null) return `${start}}`;
  if (kind === "json") return `${start},"data":${edited}}`;
  const bytes = new TextEncoder().encode(edited);
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return `${start},"dataBase64":${JSON.stringify(btoa(binary))}}`;
}

function editable(event) {
  if (event.data !== undefined)
    return { kind: "json", label: "JSON", text: JSON.stringify(event.data, null, 2) };
  if (event.data_base64 === undefined) return { kind: "json", label: "none: JSON makes one", text: "" };
  try {
    const raw = Uint8Array.from(atob(event.data_base64), (char) => char.charCodeAt(0));
    return {
      kind: "text",
      label: event.datacontenttype ?? "text",
      text: new TextDecoder("utf-8", { fatal: true }).decode(raw),
    };
  } catch {
    return { kind: "binary", label: "not text: it can be replayed as it was", text: event.data_base64 };
  }
}

/// Those that had it first.
function ordered(story, functions) {
  const had = story.deliveries.map((delivery) => delivery.function);
  const rest = functions.map((f) => f.name).filter((name) => !had.includes(name));
  return [...had.filter((name) => functions.some((f) => f.name === name)), ...rest];
}
