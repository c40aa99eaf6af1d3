// What is said to the user: short notices, problems, questions. Knows no pages.

import { sentence } from "./api.js";
import { append, h, replace } from "./dom.js";

const SHOWN_MS = 6000;

/// Says something for a few seconds.
export function say(text, tone = "good") {
  const notice = h("div", { class: `notice ${tone}` }, text);
  document.getElementById("notices").append(notice);
  setTimeout(() => notice.remove(), SHOWN_MS);
}

/// Says what went wrong; that a page was left is nothing wrong.
export function fail(error) {
  if (error.name === "AbortError") return;
  say(sentence(error), "bad");
}

/// A problem in the place of what could not be shown.
export function problem(error) {
  return h("p", { class: "problem", role: "alert" }, sentence(error));
}

/// What is there when there is nothing, and what to do next.
export function empty(title, ...next) {
  return h("div", { class: "empty" }, h("p", { class: "title" }, title), h("p", null, next));
}

/// Runs an action of a button, which can't be pressed again meanwhile. Tells of a failure.
export async function busy(button, action) {
  button.disabled = true;
  try {
    return await action();
  } catch (error) {
    fail(error);
    return undefined;
  } finally {
    button.disabled = false;
  }
}

/// A button that does something.
export function action(label, act, attributes) {
  const button = h("button", { type: "button", ...attributes }, label);
  button.addEventListener("click", () => busy(button, act));
  return button;
}

/// A dialog with this content; resolves with the value of the button that closed it.
export function dialog(title, content, buttons) {
  return new Promise((resolve) => {
    const box = h("dialog", { "aria-label": title });
    const row = h("div", { class: "row end" });
    for (const { label, value, kind } of buttons) {
      const close = () => box.close(value);
      row.append(h("button", { type: "button", class: kind, onclick: close }, label));
    }
    append(box, [h("h2", null, title), content, buttons.length ? row : null]);
    box.addEventListener("close", () => {
      box.remove();
      resolve(box.returnValue);
    });
    document.body.append(box);
    box.showModal();
    row.querySelector(".primary")?.focus();
  });
}

/// Asks before something that can't be taken back, or that others feel.
export async function confirmed(title, text, label) {
  const buttons = [
    { label: "Cancel", value: "" },
    { label, value: "yes", kind: "primary" },
  ];
  return (await dialog(title, h("p", null, text), buttons)) === "yes";
}

/// Shows what `load` makes; while it is under way, that it is; and what went wrong.
export async function fillWith(place, load) {
  place.setAttribute("aria-busy", "true");
  try {
    replace(place, await load());
  } catch (error) {
    if (error.name !== "AbortError") replace(place, problem(error));
  } finally {
    place.removeAttribute("aria-busy");
  }
}
