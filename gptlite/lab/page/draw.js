// The draw: temperature, top-k and top-p, one token or a hundred, and the token that is added to the text.

import { bar } from "./answer.js";
import { byId, cell, count, element, fixed, percent, row, rowHead, sentence, show } from "./elements.js";
import { ask, isFrozen } from "./engine.js";
import { labelOf } from "./figures.js";
import { decode, greatest } from "./numbers.js";
import { chooser, filterLogits, softmax } from "./sampling.js";
import { known, state, writeLink } from "./state.js";

const BARS = 20; // tokens with a bar
const AT_ONCE = 1000; // random numbers that an engine gives in one answer
const MOST = 100_000; // draws that a link can bring back
const SLIDERS = { temperature: "temperature", "top-k": "topK", "top-p": "topP" };

let drawnCounts = new Map(); // id -> how often it was drawn of this text, with these settings
let drawnLast = null;

export function buildDraw(goOn) {
  for (const [id, name] of Object.entries(SLIDERS)) {
    byId(id).addEventListener("input", () => {
      state[name] = Number(byId(id).value);
      settingsChanged();
    });
  }
  for (const preset of document.querySelectorAll("[data-settings]")) {
    preset.addEventListener("click", () => {
      [state.temperature, state.topK, state.topP] = preset.dataset.settings.split(" ").map(Number);
      settingsChanged();
    });
  }
  byId("seed").addEventListener("change", () => {
    state.seed = Math.min(Math.max(Math.floor(Number(byId("seed").value)) || 0, 0), 2 ** 32);
    state.draws = 0;
    settingsChanged();
  });
  byId("draw-one").addEventListener("click", () => take(1));
  byId("draw-hundred").addEventListener("click", () => take(100));
  byId("go-on").addEventListener("click", async () => {
    if (drawnLast === null && !(await take(1))) return;
    goOn(drawnLast);
  });
  byId("go-on").hidden = isFrozen();
  byId("seed").disabled = isFrozen();
}

function settingsChanged() {
  forgetDraws();
  drawOutput();
  writeLink();
}

/** Forget what was drawn: the text, the model or the settings are others now. */
export function forgetDraws() {
  drawnCounts = new Map();
  drawnLast = null;
  state.drawn = 0;
  byId("draw-says").textContent = "";
}

/** Draw again what a link says was drawn: the last `n` of the seed's random numbers that are used up. */
export async function drawAgain(n) {
  if (n === 0 || n > Math.min(state.draws, MOST)) return;
  state.draws -= n;
  for (let left = n; left > 0; left -= AT_ONCE) {
    if (!(await take(Math.min(left, AT_ONCE)))) return;
  }
}

/** Say what went wrong beside the buttons: the top of the page may be far away. */
export function sayOfDraw(message) {
  byId("draw-says").textContent = sentence(message);
}

function filtered() {
  return filterLogits(decode(known.read.after).values, state.temperature, state.topK, state.topP);
}

/** Draw n tokens with the seed's next random numbers; say whether it could be done. */
async function take(n) {
  try {
    const { points } = await ask("points", { seed: state.seed, start: state.draws, n });
    const chosen = chooser(filtered());
    for (const point of points) {
      drawnLast = chosen(point);
      drawnCounts.set(drawnLast, (drawnCounts.get(drawnLast) ?? 0) + 1);
    }
    state.draws += n;
    state.drawn += n;
    const place = fixed(points.at(-1), 4);
    byId("draw-says").replaceChildren(
      ...(n === 1
        ? ["Drawn: ", labelOf(drawnLast), `. The random number was ${place}: of all probabilities laid end to end, this token\u2019s covers it.`]
        : [`${count(state.drawn)} drawn so far: ${count(drawnCounts.size)} different tokens. The last was `, labelOf(drawnLast), "."]),
    );
  } catch (refusal) {
    sayOfDraw(refusal.message);
    return false;
  }
  drawOutput();
  writeLink();
  return true;
}

/** Draw the bars: what the settings make of the probabilities, and what was drawn. */
export function drawOutput() {
  const { temperature, topK, topP } = state;
  byId("temperature").value = temperature;
  byId("top-k").value = topK;
  byId("top-p").value = topP;
  byId("seed").value = state.seed;
  byId("temperature-says").textContent = temperature ? fixed(temperature) : "0, greedy";
  byId("top-k-says").textContent = topK ? String(topK) : "off";
  byId("top-p-says").textContent = topP < 1 ? fixed(topP) : "off";
  const logits = decode(known.read.after).values;
  const own = softmax(logits);
  const left = filtered();
  const drawnWith = softmax(left);
  const kept = [...left.keys()].filter((id) => left[id] > -Infinity);
  const mass = kept.reduce((sum, id) => sum + own[id], 0);
  const [verb, each] = kept.length === 1 ? ["is", "it"] : ["are", "them"];
  byId("output-says").textContent =
    `${count(kept.length)} of ${count(logits.length)} tokens ${verb} in the draw; ` +
    `the model gave ${each} ${percent(mass)} of the probability.`;
  const bars = greatest(logits, BARS);
  const shown = [...bars, ...[...drawnCounts.keys()].filter((id) => !bars.includes(id)).sort((a, b) => own[b] - own[a])];
  const longest = Math.max(...bars.flatMap((id) => [own[id], drawnWith[id]]));
  const rows = shown.slice(0, 3 * BARS).map((id) => {
    const dropped = left[id] === -Infinity;
    const times = drawnCounts.get(id);
    return row(
      { "data-id": id, class: `${dropped ? "dropped" : ""} ${id === drawnLast ? "last" : ""}`.trim() },
      rowHead(labelOf(id)),
      cell(fixed(logits[id]), "number"),
      element("td", { class: "bars" }, bar(drawnWith[id], longest, own[id])),
      cell(dropped ? "cut" : percent(drawnWith[id]), "number probability"),
      cell(times ? `${times}×` : "", "number times"),
    );
  });
  const caption = "The likeliest next tokens; the upright line is the model\u2019s own probability";
  show(byId("output-figure"), caption, ["token", "logit", "", "probability", "drawn"], rows, "bars");
}
