// The figures of attention: one product of a query and a key, the scores of all tokens, the mask, the
// weighted sum, and all the heads beside each other.

import { byId, button, cell, drawn, element, fixed, percent, row, rowHead, short, show } from "./elements.js";
import { has, numbers } from "./engine.js";
import { ofBlock, tokenOf } from "./figures.js";
import { largestOf } from "./numbers.js";
import { legend, paint, showRows } from "./picture.js";
import { shade } from "./scales.js";
import { known, quotedToken, state, tokens } from "./state.js";

const FITS = 16; // tokens whose numbers fit into the cells of a table

export function chosenHead() {
  return `block ${state.block}, head ${state.head}`;
}

export function drawQueryKeyValue() {
  for (const [step, says] of [["attn.q", "asks"], ["attn.k", "offers"], ["attn.v", "gives"]]) {
    const values = ofBlock(step, state.head, state.position);
    const rows = [{ label: [element("code", {}, step)], values }];
    const caption = `What ${quotedToken(state.position)} ${says}: ${chosenHead()}`;
    showRows(byId(`${step}-figure`), rows, { caption, line: values.length, high: 16, nameOf: (j) => `[${j}]` });
  }
}

// ---- One query times one key --------------------------------------------------------------------

/** Show the product of one query and one key: its terms, their sum, the root, softmax. */
export function drawProduct() {
  const [i, j] = [state.position, Math.min(state.key, state.position)];
  const query = ofBlock("attn.q", state.head, i);
  const key = ofBlock("attn.k", state.head, j);
  const terms = query.map((x, d) => x * key[d]);
  const rows = [
    { label: ["query of ", tokenOf(i)], values: query },
    { label: ["× key of ", tokenOf(j)], values: key },
  ];
  const options = { line: query.length, high: 16, nameOf: (d) => `[${d}]` };
  showRows(byId("product-figure"), rows, { ...options, caption: `One query and one key: ${chosenHead()}` });
  showRows(byId("terms-figure"), [{ label: ["= terms"], values: terms }], { ...options, caption: "Their product, term by term" });
  let sum = 0;
  const sums = Array.from(terms, (x) => (sum += x));
  const most = largestOf(sums) || 1;
  const wide = 600 / sums.length;
  const points = [0, ...sums].map((s, d) => `${(d * wide).toFixed(1)},${(40 - (36 * s) / most).toFixed(1)}`);
  const curve = drawn(
    "svg",
    { viewBox: "0 0 600 80", preserveAspectRatio: "none", class: "sums", role: "img", "aria-label": `The terms added up, from 0 to ${fixed(sum)}` },
    drawn("line", { x1: 0, x2: 600, y1: 40, y2: 40, class: "axis" }),
    drawn("polyline", { points: points.join(" "), class: "curve" }),
  );
  byId("terms-figure").querySelector(".rows").append(element("div", { class: "name" }, "added up"), curve);
  const scores = ofBlock("attn.scores", state.head, i);
  const best = Math.max(...scores.subarray(0, i + 1));
  const total = scores.reduce((all, s) => all + (s > -1e9 ? Math.exp(s - best) : 0), 0);
  const root = Math.sqrt(known.model.config.head_dim);
  const divisor = sum / ofBlock("attn.unmasked", state.head, i)[j];
  const by = Math.abs(divisor - root) < 0.01 * root || !Number.isFinite(divisor) ? `√${query.length}` : short(divisor);
  const chain = [
    ["the terms add up to", fixed(sum), "q·k"],
    [`÷ ${by}`, fixed(scores[j]), "score"],
    [`exp(score ${best < 0 ? "+" : "−"} ${fixed(Math.abs(best))})`, fixed(Math.exp(scores[j] - best), 4), "the highest score is subtracted first"],
    [`÷ ${fixed(total, 3)}, the row’s sum`, percent(ofBlock("attn.weights", state.head, i)[j]), "weight"],
  ];
  byId("product-chain").replaceChildren(
    element("ol", { class: "chain" }, ...chain.map(([does, gives, name]) =>
      element("li", { title: name }, element("span", {}, does), " ", element("strong", {}, gives)),
    )),
  );
  const keys = tokens().slice(0, i + 1).map((_, t) => {
    const radio = element("input", { type: "radio", name: "key", value: t });
    radio.checked = t === j;
    radio.addEventListener("change", () => {
      state.key = t;
      drawProduct();
    });
    return element("label", {}, radio, element("span", {}, tokenOf(t)));
  });
  const picker = byId("product-keys");
  const focused = picker.contains(document.activeElement);
  picker.replaceChildren(element("legend", {}, "The key of"), ...keys);
  if (focused) picker.querySelector("input:checked").focus();
}

// ---- All tokens at once -------------------------------------------------------------------------

const STAGES = { unmasked: "before the mask", masked: "masked" };

export function buildStages() {
  for (const [stage, label] of Object.entries(STAGES)) {
    const radio = element("input", { type: "radio", name: "stage", value: stage });
    radio.checked = stage === state.stage;
    radio.addEventListener("change", () => {
      state.stage = stage;
      drawSquares();
    });
    byId("stages").append(element("label", {}, radio, element("span", {}, label)));
  }
}

/** Draw scores and weights, a row for each query and a column for each key. */
export function drawSquares() {
  for (const radio of byId("stages").querySelectorAll("input")) radio.checked = radio.value === state.stage;
  const name = state.stage === "unmasked" ? "attn.unmasked" : "attn.scores";
  const said = STAGES[state.stage] ?? STAGES.masked;
  const caption = `Scores, queries down, keys across, ${said}: ${chosenHead()}`;
  drawSquare("scores-figure", caption, ofBlock(name, state.head), "signed", "−∞");
  const weights = `Weights, queries down, keys across: ${chosenHead()}`;
  drawSquare("weights-figure", weights, ofBlock("attn.weights", state.head), "share", "0");
}

function drawSquare(id, caption, all, scale, masked) {
  const n = tokens().length;
  const line = (i) => all.subarray(i * n, (i + 1) * n);
  const seen = [...all].filter((x) => x > -1e9);
  const largest = scale === "share" ? 1 : largestOf(seen) || 1;
  if (n > FITS) {
    const rows = tokens().map((_, i) => ({ label: [tokenOf(i)], values: line(i), chosen: i === state.position }));
    showRows(byId(id), rows, {
      ...{ caption, scale, largest, line: n, high: n > 32 ? 9 : 14, columns: tokens() },
      nameOf: (j) => `→ ${tokens()[j]}`,
    });
    byId(id).classList.toggle("dense", true);
    return;
  }
  byId(id).classList.toggle("dense", false);
  const rows = tokens().map((_, i) => {
    const cells = Array.from(line(i), (x, j) => {
      const hidden = j > i && (x <= -1e9 || (scale === "share" && x === 0));
      if (hidden) return cell(masked, "masked");
      return cell(fixed(x), `number ${shade(x, largest, scale)}`);
    });
    return row({ "data-position": i }, rowHead(tokenOf(i)), ...cells);
  });
  const figure = byId(id);
  show(figure, caption, ["", ...tokens().map((_, j) => tokenOf(j))], rows, "matrix");
  figure.querySelectorAll(":scope > :not(.scroll)").forEach((old) => old.remove());
  figure.querySelector("caption").append(" ", legend(largest, scale));
  markChosen();
}

/** Mark the rows and columns of the chosen token in the tables of all tokens. */
export function markChosen() {
  for (const item of document.querySelectorAll("[data-position]")) {
    item.classList.toggle("chosen", Number(item.dataset.position) === state.position);
  }
}

export function drawSum() {
  const weights = ofBlock("attn.weights", state.head, state.position);
  const wide = known.model.config.head_dim;
  const z = ofBlock("attn.z", state.position).subarray(state.head * wide, (state.head + 1) * wide);
  const rows = tokens().flatMap((_, j) => {
    if (weights[j] === 0 && j > state.position) return [];
    const values = ofBlock("attn.v", state.head, j).map((x) => weights[j] * x);
    return [{ label: [`${percent(weights[j], 0)} of `, tokenOf(j)], values }];
  });
  rows.push({ label: ["sum: ", element("code", {}, "attn.z")], values: z, chosen: true });
  const caption = `Weight × value, and their sum, for ${quotedToken(state.position)}: ${chosenHead()}`;
  const high = rows.length > 17 ? 8 : 14;
  showRows(byId("sum-figure"), rows, { caption, line: wide, high, nameOf: (d) => `[${d}]` });
  byId("sum-figure").classList.toggle("dense", rows.length > 17);
}

// ---- The heads ----------------------------------------------------------------------------------

function thumbnail(layer, head, weights, choose) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  paint(canvas, weights, tokens().length, 1, "share");
  const name = `${layer}.${head}`;
  const made = button("", choose, { class: "thumb", "aria-label": `block ${layer}, head ${head}` });
  made.dataset.head = name;
  made.append(canvas, element("span", {}, name));
  return made;
}

/** Draw the weights of every head of the blocks whose weights are here, as small triangles, a column for each block. */
export function drawMap(choose, isCut) {
  const { blocks, config } = known.model;
  const here = blocks.filter((i) => has(`h.${i}.attn.weights`));
  const pictures = Array.from({ length: config.n_head }, (_, head) =>
    here.map((i) => {
      const picture = thumbnail(i, head, numbers(`h.${i}.attn.weights`, head), () => choose(i, head));
      picture.classList.toggle("is-cut", isCut(i, head));
      return picture;
    }),
  );
  const figure = byId("map-figure");
  figure.style.setProperty("--blocks", here.length);
  figure.replaceChildren(...here.map((i) => element("span", {}, `block ${i}`)), ...pictures.flat());
  markHead();
}

/** Draw the heads of the chosen block, with a switch to cut each. */
export function drawHeads(choose, cut, isCut) {
  const cards = Array.from({ length: known.model.config.n_head }, (_, head) => {
    const weights = ofBlock("attn.weights", head, state.position);
    const best = [...weights.keys()].slice(0, state.position + 1).sort((a, b) => weights[b] - weights[a]).slice(0, 3);
    const looks = best.map((j) => element("li", {}, tokenOf(j), ` ${percent(weights[j], 0)}`));
    const on = isCut(state.block, head);
    const card = element("div", { class: "card" },
      thumbnail(state.block, head, ofBlock("attn.weights", head), () => choose(state.block, head)),
      on ? element("p", {}, "cut: it looks at nothing") : element("ol", {}, ...looks),
    );
    card.firstChild.classList.toggle("is-cut", on);
    if (cut) {
      card.append(button(on ? "put back" : "cut", () => cut(state.block, head), { class: "cut", "aria-label": `${on ? "put back" : "cut"} head ${head}` }));
    }
    return card;
  });
  byId("heads-figure").replaceChildren(...cards);
  markHead();
}

function markHead() {
  for (const thumb of document.querySelectorAll(".thumb")) {
    thumb.setAttribute("aria-pressed", thumb.dataset.head === `${state.block}.${state.head}`);
  }
}
