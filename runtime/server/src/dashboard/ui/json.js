// Payloads to look at: JSON with its parts told apart, anything else as it is. Knows no events.

import { parse } from "./api.js";
import { bytes as size } from "./format.js";
import { h, replace } from "./dom.js";

const SHOWN_MAX = 20_000;
const PARTS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*/g;

/// A value as indented JSON; of a long one the beginning, and the rest when it is asked for.
export function json(value) {
  return block(JSON.stringify(value, null, 2) ?? "", paint);
}

/// Text that is not JSON.
function plain(text) {
  return block(text, (part) => part);
}

function block(text, draw) {
  const box = h("pre", { class: "code", tabindex: "0" });
  if (text.length <= SHOWN_MAX) return replace(box, draw(text));
  const rest = h("button", { type: "button", class: "quiet" }, `Show all of ${size(text.length)}`);
  rest.addEventListener("click", () => replace(box, text));
  return replace(box, draw(text.slice(0, SHOWN_MAX)), "…\n", rest);
}

/// Text nodes and spans: what is in the payload is never read as markup.
function paint(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(PARTS)) {
    nodes.push(text.slice(from, match.index));
    nodes.push(h("span", { class: kind(match) }, match[1] ?? match[0]), match[2] ?? "");
    from = match.index + match[0].length;
  }
  nodes.push(text.slice(from));
  return nodes;
}

function kind([all, string, colon]) {
  if (colon) return "j-name";
  if (string) return "j-text";
  return /^[tfn]/.test(all) ? "j-word" : "j-number";
}

/// The payload of an event (`data` or `data_base64`), of a value (`value`, `valueBase64`) or of a
/// reply (`data`, `dataBase64`).
export function payload(holder) {
  for (const name of ["data", "value"]) {
    if (holder[name] !== undefined) return json(holder[name]);
  }
  const base64 = holder.data_base64 ?? holder.dataBase64 ?? holder.valueBase64;
  if (base64 === undefined) return h("p", { class: "dim" }, "No payload.");
  const text = decoded(base64);
  if (text !== null) return plain(text);
  return [h("p", { class: "dim" }, "Not text; shown in Base64."), plain(base64)];
}

/// A value in one line.
export function inline(holder) {
  if (holder.deleted) return h("span", { class: "dim" }, "deleted");
  const text =
    holder.value === undefined
      ? (decoded(holder.valueBase64 ?? "") ?? holder.valueBase64)
      : JSON.stringify(holder.value);
  const all = text ?? "";
  return h("code", { class: "one" }, all.length > 160 ? `${all.slice(0, 160)}…` : all);
}

function decoded(base64) {
  try {
    const raw = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(raw);
  } catch {
    return null;
  }
}

/// Whether a text is JSON; says where it is not.
export function check(text) {
  try {
    parse(text);
    return null;
  } catch (error) {
    return `This is not JSON: ${error.message}`;
  }
}
