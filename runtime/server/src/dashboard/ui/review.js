// What would change if a revision served in the place of the one that does; and the step itself.

import { api, get, post } from "./api.js";
import { h } from "./dom.js";
import { bytes } from "./format.js";
import { diff, same } from "./diff.js";
import { dryRunForm } from "./dryrun.js";
import { action, say } from "./notice.js";
import { facts } from "./table.js";
import { sampleFor } from "./sample.js";

/// `after` is the function with the revision, `before` it without; `upload` what the host said of
/// the upload, if it has just come. `done` is called when something was decided.
export function review({ before, after, revision, upload, done }) {
  const now = after.revisions.find((r) => r.revision === revision);
  const old = (before ?? after).revisions.find((r) => r.active);
  const name = after.name;
  const serves = old?.revision === revision;
  const title = !old
    ? `${revision} would be the first revision of ${name}`
    : serves
      ? `${revision} of ${name} serves already`
      : `${name}: from ${old.revision} to ${revision}`;
  return h(
    "section",
    { class: "card review", id: "review" },
    h("h2", null, title),
    upload?.warnings.map((text) => h("p", { class: "note" }, text)),
    facts([
      [
        "component",
        old?.digest === now.digest
          ? "the same"
          : `${bytes(now.bytes)}${old ? `, was ${bytes(old.bytes)}` : ""}`,
      ],
      ["digest", h("code", { title: now.digest }, now.digest.slice(0, 16))],
      ["may do", upload ? capabilities(upload.capabilities) : null],
    ]),
    part("Manifest", old?.manifest, now.manifest),
    part("Settings", old?.config, now.config),
    serves ? null : steps(name, revision, old, done),
    h("details", null, h("summary", null, "Dry run it first"), trial(after, revision, old)),
  );
}

function part(title, before, after) {
  if (before && same(before, after)) return h("p", { class: "dim" }, `${title}: no difference.`);
  return h("div", { class: "stack" }, h("h3", null, title), diff(before, after));
}

function capabilities({ all, added, removed }) {
  const word = (text, mark, tone) => h("span", { class: `chip ${tone}` }, `${mark}${text}`);
  const chips = [
    ...all.filter((text) => !added.includes(text)).map((text) => word(text, "", "")),
    ...added.map((text) => word(text, "+ ", "wait")),
    ...removed.map((text) => word(text, "− ", "dim")),
  ];
  return h("div", { class: "chips" }, chips.length ? chips : "nothing beyond its own event");
}

function steps(name, revision, old, done) {
  const activate = async (body, words) => {
    await post(api("functions", name, "activate"), { revision, ...body });
    say(words);
    done();
  };
  const label = old ? `Activate ${revision}` : "Activate";
  const whole = action(label, () => activate({}, `${revision} of ${name} serves.`), { class: "primary" });
  const row = h("div", { class: "row" }, whole, action("Leave it as it is", done));
  return h("div", { class: "stack" }, row, old ? shareOf(name, revision, activate) : null);
}

/// A canary: a share of the ordering keys, until too much of it fails.
function shareOf(name, revision, activate) {
  const weight = h("input", { type: "number", min: "1", max: "99", value: "10" });
  const failures = h("input", { type: "number", min: "0", max: "100", value: "20" });
  const begin = () => {
    const share = { weight: Number(weight.value), failures: Number(failures.value) };
    return activate(share, `${revision} gets ${share.weight} % of ${name}.`);
  };
  const fields = [
    h("label", null, "Share, %", weight),
    h("label", null, "Given up above failures, %", failures),
  ];
  const title = h("summary", null, "Give it only a share at first");
  return h("details", null, title, h("div", { class: "fields" }, fields, action("Start a canary", begin)));
}

function trial(f, revision, old) {
  const box = h("textarea", { rows: "8", spellcheck: "false", "aria-label": "An event, as JSON" });
  sampleFor(f).then((event) => {
    box.value = JSON.stringify(event, null, 2);
  });
  return h(
    "div",
    { class: "stack" },
    h("p", { class: "dim" }, "The last event that it could have handled:"),
    box,
    dryRunForm([f], () => box.value, { name: f.name, revision, against: old?.revision }),
  );
}

/// The review of a revision that is there already, in a dialog's place.
export async function reviewOf(name, revision, done) {
  const after = await get(api("functions", name));
  return review({ before: null, after, revision, done });
}
