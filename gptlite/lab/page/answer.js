// The figures of the model's answer: the lens up the stack, the logits, and the KV cache.

import { byId, cell, count, element, fixed, percent, row, rowHead, show } from "./elements.js";
import { labelOf, tokenOf } from "./figures.js";
import { decode, greatest, part } from "./numbers.js";
import { showRows } from "./picture.js";
import { softmax } from "./sampling.js";
import { shade } from "./scales.js";
import { known, labelText, quotedToken, state, tokens } from "./state.js";
import { chosenHead } from "./attention.js";
import { ofBlock } from "./figures.js";

let lens = null;

/** Take the lens of a reading. */
export function useLens({ ids, probabilities }) {
  lens = { ids: decode(ids), probabilities: decode(probabilities) };
}

// ---- Up the stack -------------------------------------------------------------------------------

function levels() {
  const n = known.model.config.n_layer;
  return Array.from({ length: n + 1 }, (_, i) => n - i);
}

function levelName(level) {
  return level ? `block ${level - 1}` : "embed";
}

export function drawLens(choose) {
  const top = known.model.config.n_layer;
  const answers = tokens().map((_, i) => part(lens.ids, top, i)[0]);
  // Where the model's final answer first leads, and leads from there on.
  const since = answers.map((id, i) => {
    let level = top;
    while (level > 0 && part(lens.ids, level - 1, i)[0] === id) level -= 1;
    return level;
  });
  const rows = levels().map((level) => {
    const cells = tokens().map((_, i) => {
      const id = part(lens.ids, level, i)[0];
      const p = part(lens.probabilities, level, i)[0];
      const right = id === known.read.ids[i + 1] ? " right" : "";
      const first = level === since[i] ? " since" : "";
      const says = element("td", { class: `lens ${shade(p, 1, "share")}${right}${first}`, "data-position": i });
      says.append(labelOf(id), element("span", { class: "number" }, percent(p, 0)));
      says.title = Array.from(part(lens.ids, level, i), (other, n) =>
        `${labelText(other)} ${percent(part(lens.probabilities, level, i)[n])}`).join("\n");
      says.addEventListener("click", () => choose(i));
      return says;
    });
    return row({}, rowHead(levelName(level)), ...cells);
  });
  const caption = "The likeliest next token after each block; bold where it is the token that follows";
  show(byId("lens-figure"), caption, ["after", ...tokens().map((_, j) => tokenOf(j))], rows, "grid");
}

export function drawLensToken() {
  const rows = levels().map((level) => {
    const ids = part(lens.ids, level, state.position);
    const probabilities = part(lens.probabilities, level, state.position);
    const cells = Array.from(ids, (id, n) => {
      const says = element("td", { class: `lens ${shade(probabilities[n], 1, "share")}` });
      says.append(labelOf(id), element("span", { class: "number" }, percent(probabilities[n])));
      return says;
    });
    return row({ "data-level": level }, rowHead(levelName(level)), ...cells);
  });
  const ranks = Array.from(part(lens.ids, 0, 0), (_, n) => `${n + 1}.`);
  show(byId("lens-token-figure"), `After ${quotedToken(state.position)}`, ["after", ...ranks], rows, "grid");
}

// ---- The answer ---------------------------------------------------------------------------------

export function drawLogits() {
  const logits = decode(known.read.after).values;
  const rows = [{ label: [element("code", {}, "logits")], values: logits }];
  const last = quotedToken(tokens().length - 1);
  const caption = `The last token\u2019s row of the array, whichever token is chosen: the scores of ${count(logits.length)} tokens after ${last}`;
  showRows(byId("logits-figure"), rows, { caption, high: 4, nameOf: labelText });
}

/** Show the likeliest next tokens with bars, at the top of the page. */
export function drawAnswer() {
  const p = softmax(decode(known.read.after).values);
  const best = greatest(p, 6);
  const rows = best.map((id) => barRow(id, p[id], p[best[0]]));
  const changed = state.edits.length ? " of the changed model" : "";
  show(byId("answer-figure"), `The likeliest next tokens${changed}`, ["token", "", "probability"], rows, "bars");
}

export function bar(p, longest, was = null) {
  const inside = element("span", { class: "bar" });
  inside.style.width = `${(100 * p) / longest}%`;
  const rail = element("span", { class: "rail" }, inside);
  if (was !== null) {
    const mark = element("span", { class: "mark" });
    mark.style.left = `${(100 * was) / longest}%`;
    rail.append(mark);
  }
  return rail;
}

function barRow(id, p, longest) {
  return row(
    { "data-id": id },
    rowHead(labelOf(id)),
    element("td", { class: "bars" }, bar(p, longest)),
    cell(percent(p), "number probability"),
  );
}

// ---- The KV cache -------------------------------------------------------------------------------

export function buildStepper() {
  const go = (step) => {
    state.step = Math.min(Math.max(step, 1), tokens().length);
    drawCache();
  };
  byId("step").addEventListener("input", () => go(Number(byId("step").value)));
  byId("step-back").addEventListener("click", () => go(state.step - 1));
  byId("step-on").addEventListener("click", () => go(state.step + 1));
}

export function drawCache() {
  const { config } = known.model;
  state.step = Math.min(Math.max(state.step, 1), tokens().length);
  const last = state.step - 1;
  byId("step").max = tokens().length;
  byId("step").value = state.step;
  const each = 2 * config.n_layer * config.n_embd; // numbers of one token's keys and values
  const says = [
    `Step ${state.step} of ${tokens().length} reads `,
    tokenOf(last),
    ` alone. Its keys and values are ${count(each)} new numbers`,
    last ? `; the ${count(each * last)} of the tokens before it are kept from earlier steps.` : ".",
    ` The cache then takes ${count((4 * each * state.step) / 1024)} KiB.`,
  ];
  byId("cache-says").replaceChildren(...says);
  const kept = (i) => (i < last ? "kept" : i === last ? "new" : "");
  const rows = Array.from({ length: config.n_layer }, (_, block) => {
    const cells = tokens().map((_, i) => cell(kept(i), `cache ${kept(i)}`));
    return row({}, rowHead(`block ${block}`), ...cells);
  });
  const headings = () => ["", ...tokens().map((_, i) => tokenOf(i))];
  show(byId("cache-figure"), "Keys and values of each token in each block", headings(), rows, "grid");
  const weights = ofBlock("attn.weights", state.head, last);
  const cells = tokens().map((_, j) =>
    j > last ? cell("") : cell(fixed(weights[j]), `number ${shade(weights[j], 1, "share")}`),
  );
  const caption = `The weights of ${quotedToken(last)}: ${chosenHead()}`;
  show(byId("cache-row-figure"), caption, headings(), [row({}, rowHead(tokenOf(last)), ...cells)], "grid");
}
