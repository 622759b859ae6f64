// Changes of the model: cut or scale a part, patch a cell from another text, drop the mask; and what
// becomes of the prediction, beside what it was.

import { bar } from "./answer.js";
import { byId, button, cell, element, fixed, percent, row, rowHead, sentence, show } from "./elements.js";
import { labelOf } from "./figures.js";
import { decode, greatest } from "./numbers.js";
import { sayInBar } from "./reader.js";
import { softmax } from "./sampling.js";
import { known, state, tokens } from "./state.js";

const SHOWN = 8; // tokens before, and as many after

/** Say what a change does. */
function said(change) {
  const { part, layer, head, name, factor, position, text } = change;
  const where = part === "array" ? name : part === "head" ? `head ${head} of block ${layer}` : { attention: `attention of block ${layer}`, mlp: `the MLP of block ${layer}`, block: `block ${layer}` }[part];
  if (change.change === "scale") return factor === 0 ? `${where} is cut` : `${where} times ${factor}`;
  if (change.change === "unmask") return layer === undefined ? "no block has a mask" : `block ${layer} has no mask`;
  if (change.change === "patch") return `${name} at position ${position} is taken from \u201c${text}\u201d`;
  return "a change that this page does not know";
}

/** Build the forms; `apply(edits)` reads the text again with those changes, and promises whether it could. */
export function buildChanges(apply) {
  const { blocks, config, walk } = known.model;
  const options = (id, values, says = String) =>
    byId(id).replaceChildren(...values.map((value) => element("option", { value }, says(value))));
  options("cut-layer", blocks);
  options("cut-head", Array.from({ length: config.n_head }, (_, i) => i));
  options("mask-layer", ["", ...blocks], (value) => (value === "" ? "every block" : `block ${value}`));
  const arrays = walk.filter((name) => !["tokens", "next"].includes(name));
  options("cut-array", arrays);
  options("patch-array", arrays.filter((name) => !/scores|weights/.test(name)));
  byId("patch-array").value = `h.${Math.floor(config.n_layer / 2)}.out`;
  const add = async (change) => apply([...state.edits, change]);
  const showFields = () => {
    const part = byId("cut-part").value;
    byId("cut-head").closest("label").hidden = part !== "head";
    byId("cut-layer").closest("label").hidden = part === "array";
    byId("cut-array").closest("label").hidden = part !== "array";
  };
  byId("cut-part").addEventListener("change", showFields);
  showFields();
  const on = (id, make) =>
    byId(id).addEventListener("submit", (event) => {
      event.preventDefault();
      add(make());
    });
  on("cut-form", () => {
    const part = byId("cut-part").value;
    const change = { change: "scale", part, factor: Number(byId("cut-factor").value) };
    if (part === "array") return { ...change, name: byId("cut-array").value };
    change.layer = Number(byId("cut-layer").value);
    return part === "head" ? { ...change, head: Number(byId("cut-head").value) } : change;
  });
  on("patch-form", () => ({
    ...{ change: "patch", name: byId("patch-array").value, position: Number(byId("patch-position").value) },
    ...{ text: byId("patch-text").value, eot: state.eot },
  }));
  on("mask-form", () => {
    const layer = byId("mask-layer").value;
    return layer === "" ? { change: "unmask" } : { change: "unmask", layer: Number(layer) };
  });
  byId("undo").addEventListener("click", () => apply(state.edits.slice(0, -1)));
  byId("undo-all").addEventListener("click", () => apply([]));
}

function isCutOf(change, layer, head) {
  return change.change === "scale" && change.part === "head" && change.factor === 0 && change.layer === layer && change.head === head;
}

export function isCut(layer, head) {
  return state.edits.some((change) => isCutOf(change, layer, head));
}

/** Give the changes with one head cut, or put back if it is. */
export function withHeadToggled(layer, head) {
  if (isCut(layer, head)) return state.edits.filter((change) => !isCutOf(change, layer, head));
  return [...state.edits, { change: "scale", part: "head", layer, head, factor: 0 }];
}

/** Draw the list of changes, and the prediction before and after them. */
export function drawChanges(apply) {
  const n = state.edits.length;
  byId("undo").disabled = byId("undo-all").disabled = n === 0;
  byId("changes-list").replaceChildren(
    ...state.edits.map((change, i) =>
      element("li", {}, `${said(change)} `, button("undo", () => apply(state.edits.filter((_, j) => j !== i)), { class: "small", "aria-label": `undo: ${said(change)}` })),
    ),
  );
  byId("changes-say").textContent = n
    ? `${n === 1 ? "One change" : `${n} changes`}. The prediction has moved by ${fixed(known.read.moved, 3)} nats (Kullback\u2013Leibler divergence).`
    : "Nothing is changed: this is the model as it was trained.";
  byId("changed").hidden = n === 0;
  const position = byId("patch-position");
  const before = position.value;
  position.replaceChildren(...tokens().map((token, i) => element("option", { value: i }, `${i}: ${token}`)));
  position.value = before !== "" && Number(before) < tokens().length ? before : state.pinned;
  byId("patch-text").defaultValue = known.read.said; // what a visitor has typed there stays
  const [was, is] = ["before", "after"].map((name) => softmax(decode(known.read[name]).values));
  const [best] = greatest(was, 1);
  const moved = element("span", { class: "moved" }, ": ", labelOf(best), ` ${percent(was[best], 0)} \u2192 ${percent(is[best], 0)}`);
  byId("changed-says").replaceChildren(n === 1 ? "1 change" : `${n} changes`, moved);
  const ids = [...new Set([...greatest(is, SHOWN), ...greatest(was, SHOWN)])];
  const longest = Math.max(...ids.flatMap((id) => [was[id], is[id]]));
  const rows = ids.map((id) =>
    row(
      { "data-id": id },
      rowHead(labelOf(id)),
      cell(percent(was[id]), "number was"),
      element("td", { class: "bars" }, bar(is[id], longest, was[id])),
      cell(percent(is[id]), "number is"),
    ),
  );
  const caption = "The next token; the upright line is where the bar ended before the changes";
  show(byId("changes-figure"), caption, ["token", "before", "", "after"], rows, "bars");
}

/** Say beside the forms and in the bar why a change cannot be made; "" to take it back. */
export function complain(message) {
  byId("changes-error").textContent = message ? sentence(message) : "";
  sayInBar(message);
}
