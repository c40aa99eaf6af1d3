// A component is dropped or chosen, and uploaded as a revision that does not serve yet; then its
// difference from the one that serves is shown.

import { api, ask, get } from "./api.js";
import { h, replace } from "./dom.js";
import { bytes } from "./format.js";
import { check } from "./json.js";
import { problem, say } from "./notice.js";
import { review } from "./review.js";

/// A place to drop a component on. `name` is the function's; without one the file's name is asked
/// about. What follows is shown in `place`, and `changed` is called when something serves anew.
export function uploader({ name, place, changed = () => {} }) {
  const file = h("input", {
    type: "file",
    accept: ".wasm,application/wasm",
    "aria-label": "A component to upload",
  });
  const what = name
    ? `Drop a component here: it becomes a revision of ${name}, and serves when you say so.`
    : "Drop a component here: it serves when you have seen what changes.";
  const box = h("div", { class: "drop" }, h("span", null, what), file);
  const take = (chosen) => {
    if (!chosen) return;
    replace(place, formOf(chosen, name, place, changed));
    place.querySelector("input, button")?.focus();
  };
  file.addEventListener("change", () => {
    take(file.files[0]);
    file.value = "";
  });
  box.addEventListener("dragover", (event) => {
    event.preventDefault();
    box.classList.add("over");
  });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  return box;
}

/// What the file's name says of the function's.
function named(file) {
  return file.name
    .replace(/\.wasm$/i, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63);
}

const NAME = {
  required: true,
  pattern: "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?",
  maxlength: "63",
  title: "a-z, 0-9 and -",
};

function formOf(file, name, place, changed) {
  const target = h("input", { name: "name", value: name ?? named(file), readonly: Boolean(name), ...NAME });
  const config = h("textarea", {
    name: "config",
    rows: "2",
    spellcheck: "false",
    placeholder: '{"limit": "30"}; left empty, the settings of the active revision stay',
  });
  const wrong = h("div");
  const upload = h("button", { class: "primary" }, "Upload, do not serve yet");
  const cancel = h("button", { type: "button", onclick: () => replace(place) }, "Cancel");
  const submit = async (event) => {
    event.preventDefault();
    upload.disabled = true;
    try {
      replace(wrong);
      await put(file, target.value, config.value.trim(), place, changed);
    } catch (error) {
      replace(wrong, refused(error));
    } finally {
      upload.disabled = false;
    }
  };
  return h(
    "form",
    { class: "card", id: "upload", onsubmit: submit },
    h("h2", null, `Upload ${file.name} (${bytes(file.size)})`),
    h("div", { class: "fields" }, h("label", null, "Function", target)),
    h("label", null, "Settings, as a JSON object of strings", config),
    wrong,
    h("div", { class: "row" }, upload, cancel),
  );
}

/// All that is wrong with a component, not only the first of it.
function refused(error) {
  const { problems } = error.members ?? {};
  return [
    problem(error),
    problems
      ? h(
          "ul",
          null,
          problems.map((text) => h("li", null, text)),
        )
      : null,
  ];
}

async function put(file, name, config, place, changed) {
  const headers = { "content-type": "application/wasm" };
  if (config) {
    const wrong = check(config);
    if (wrong) throw new Error(wrong);
    headers["triphammer-config"] = ascii(config);
  }
  const before = await current(name);
  const answer = await ask("PUT", api("functions", name), {
    query: { activate: "false" },
    headers,
    body: file,
  });
  const after = await get(api("functions", name));
  say(`${answer.revision} of ${name} is uploaded. It does not serve yet.`);
  replace(
    place,
    review({
      before,
      after,
      revision: answer.revision,
      upload: answer,
      done: () => {
        replace(place);
        changed();
      },
    }),
  );
}

/// A header has one line of ASCII.
function ascii(config) {
  return JSON.stringify(JSON.parse(config)).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/// As it is before; null for a new one, which is no error to ask for.
async function current(name) {
  // Whoever begins with a name, it comes before them.
  const { functions } = await get(api("functions"), { prefix: name, limit: 1 });
  return functions.find((f) => f.name === name) ?? null;
}
