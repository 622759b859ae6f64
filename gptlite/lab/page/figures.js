// The figures of tokens, embeddings and the residual stream: whole vectors as strips, whole arrays with
// a row for each token.

import { byId, cell, count, element, fixed, row, rowHead, show } from "./elements.js";
import { numbers } from "./engine.js";
import { greatest, largestOf } from "./numbers.js";
import { showRows } from "./picture.js";
import { shade } from "./scales.js";
import { known, labelText, quotedToken, state, tokens } from "./state.js";

/** Name an array of the chosen block. */
export function inBlock(step) {
  return `h.${state.block}.${step}`;
}

/** Get an array of the chosen block, by its name in the trace. */
export function ofBlock(step, ...indices) {
  return numbers(inBlock(step), ...indices);
}

export function tokenOf(position) {
  return element("span", { class: "token", dir: "auto" }, tokens()[position]);
}

export function labelOf(id) {
  return element("span", { class: "token", dir: "auto" }, labelText(id));
}

/** Name the array that enters the chosen block. */
export function entering() {
  return state.block ? `h.${state.block - 1}.out` : "embed";
}

function length(vector) {
  return Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
}

/** Show vectors at the chosen token below each other, on one scale, with their lengths. */
function showVectors(id, caption, named, oneScale = true) {
  const rows = named.map(([label, name]) => {
    const values = numbers(name, state.position);
    const size = element("span", { class: "length", title: "length of the vector" }, ` ${fixed(length(values))}`);
    return { label: [element("code", {}, label), size], name: label, values };
  });
  const options = { caption, nameOf: (j) => `[${j}]` };
  if (!oneScale) options.largest = Math.max(...rows.map((each) => largestOf(each.values))) || 1;
  showRows(byId(id), rows, options);
}

/** Show a whole array with a row for each token: `get(i)` is the vector of token i. */
export function showAll(id, caption, get, options = {}) {
  const rows = tokens().map((_, i) => ({ label: [tokenOf(i)], values: get(i), chosen: i === state.position }));
  const line = Math.max(...rows.map((each) => each.values.length));
  const high = rows.length > 32 ? 6 : rows.length > 16 ? 9 : 14;
  showRows(byId(id), rows, { caption, line, high, nameOf: (j) => `[${j}]`, ...options });
  byId(id).classList.toggle("dense", rows.length > 16);
}

// ---- Tokens and embeddings ----------------------------------------------------------------------

export function drawTokens() {
  const rows = tokens().map((_, i) =>
    row(
      { "data-position": i },
      rowHead(String(i)),
      element("td", {}, tokenOf(i)),
      cell(String(known.read.ids[i]), "number"),
      cell(known.read.bytes[i], "bytes"),
    ),
  );
  const caption = `The text in ${count(rows.length)} tokens, out of a vocabulary of ${count(known.model.config.n_vocab)}`;
  show(byId("tokens-figure"), caption, ["position", "token", "id", "bytes"], rows, "list");
}

export function drawEmbeddings() {
  const i = state.position;
  showVectors("embed-figure", `Where ${quotedToken(i)} starts`, [
    [`wte[${known.read.ids[i]}]`, "wte"],
    [`+ wpe[${i}]`, "wpe"],
    ["= embed", "embed"],
  ]);
  showAll("embed-all", "embed, a row for each token", (t) => numbers("embed", t));
}

// ---- The stream through a block -----------------------------------------------------------------

export function drawStream() {
  const token = quotedToken(state.position);
  const block = `block ${state.block}`;
  showVectors("ln_1-figure", `The vector of ${token} before and after: ${block}`, [
    ["x", entering()],
    ["ln_1(x)", inBlock("ln_1")],
  ]);
  showVectors("attn.out-figure", `What the heads found for ${token}, mixed: ${block}`, [
    ["attn.z", inBlock("attn.z")],
    ["attn.out", inBlock("attn.out")],
  ]);
  showVectors("mid-figure", `What attention adds to ${token}: ${block}`, [
    ["x", entering()],
    ["+ attn.out", inBlock("attn.out")],
    ["= mid", inBlock("mid")],
  ]);
  showVectors("ln_2-figure", `The vector of ${token} before and after: ${block}`, [
    ["mid", inBlock("mid")],
    ["ln_2(mid)", inBlock("ln_2")],
  ]);
  showVectors("mlp.fc-figure", `The hidden units at ${token}: ${block}`, [["mlp.fc", inBlock("mlp.fc")]]);
  showVectors("mlp.gelu-figure", `The hidden units after GELU: ${block}`, [["mlp.gelu", inBlock("mlp.gelu")]]);
  showVectors("mlp.out-figure", `What the network makes of them: ${block}`, [["mlp.out", inBlock("mlp.out")]]);
  showVectors("out-figure", `What the network adds to ${token}: ${block}`, [
    ["mid", inBlock("mid")],
    ["+ mlp.out", inBlock("mlp.out")],
    ["= out", inBlock("out")],
  ]);
  drawUnits();
}

function drawUnits() {
  const [fc, gelu] = ["mlp.fc", "mlp.gelu"].map((name) => ofBlock(name, state.position));
  const units = greatest(gelu.map(Math.abs), 8);
  const line = (label, values) => {
    const most = largestOf(values);
    return row({}, rowHead(label), ...units.map((u) => cell(fixed(values[u]), `number ${shade(values[u], most)}`)));
  };
  const caption = `The ${units.length} units most active at ${quotedToken(state.position)}`;
  const rows = [line("mlp.fc", fc), line("mlp.gelu", gelu)];
  show(byId("units-figure"), caption, ["unit", ...units.map(String)], rows);
}

/** Show the arrays of a block whole: a row for each token. */
export function drawWhole() {
  for (const step of ["ln_1", "attn.z", "attn.out", "mid", "ln_2", "mlp.fc", "mlp.gelu", "mlp.out", "out"]) {
    showAll(`${step}-all`, `${inBlock(step)}, a row for each token`, (t) => ofBlock(step, t));
  }
  for (const [step, name] of [["attn.q", "queries"], ["attn.k", "keys"], ["attn.v", "values"]]) {
    const caption = `The ${name} of head ${state.head}, a row for each token: block ${state.block}`;
    showAll(`${step}-all`, caption, (t) => ofBlock(step, state.head, t));
  }
}

export function drawTop() {
  showVectors("ln_f-figure", `The vector of ${quotedToken(state.position)} at the top`, [
    [`h.${known.model.config.n_layer - 1}.out`, `h.${known.model.config.n_layer - 1}.out`],
    ["ln_f", "ln_f"],
  ]);
  showAll("ln_f-all", "ln_f, a row for each token", (t) => numbers("ln_f", t));
}
