// The page: it asks its engine about a text, and draws the answers; then whatever changes when another
// token, block, head or text is chosen.

import { drawAnswer, drawCache, drawLens, drawLensToken, drawLogits, buildStepper, useLens } from "./answer.js";
import { buildStages, drawHeads, drawMap, drawProduct, drawQueryKeyValue, drawSquares, drawSum, markChosen } from "./attention.js";
import { buildChanges, complain, drawChanges, isCut, withHeadToggled } from "./changes.js";
import { buildDraw, drawAgain, drawOutput, forgetDraws, sayOfDraw } from "./draw.js";
import { byId, count } from "./elements.js";
import { ask, isFrozen, load, numbers, useEngine } from "./engine.js";
import { drawEmbeddings, drawStream, drawTokens, drawTop, drawWhole, entering, inBlock } from "./figures.js";
import { buildMachine } from "./machine.js";
import { buildReader, buildStrip, drawReader, drawWalk, glide, reveal, sayInBar, scrollTo, watchScrolling } from "./reader.js";
import { choose, filterLogits, softmax } from "./sampling.js";
import { forgetColours } from "./scales.js";
import { firstReading, known, readLink, reading, state, tokens, writeLink } from "./state.js";
import { arrayName, buildFacts, drawFacts } from "./steps.js";
import { buildText, drawText, say } from "./text.js";

const MAP = 4_000_000; // numbers in all the heads' weights, up to which the map shows every block

let latest = 0; // the number of the latest question: older answers come too late

/** Start the page with an engine: `{name, ask, frozen}`; see html.py. */
export async function start(engine) {
  useEngine(engine);
  lab.engine = engine.name;
  const { given, tokenGiven } = readLink(location.hash);
  Object.assign(state, given);
  byId("title-text").textContent = state.text; // so that nothing moves when the rest comes
  try {
    known.model = await ask("model");
  } catch (refusal) {
    return say(refusal.message);
  }
  tidy(state);
  build();
  const { drawn } = state; // reading a text forgets it
  if (await read({}, tokenGiven)) await drawAgain(drawn);
  else {
    // What the link asks for cannot be read: the page opens all the same, and says so.
    const problem = byId("problem").textContent;
    if (!(await read(firstReading()))) return;
    say(problem);
  }
  if (location.hash.includes("stop=")) scrollTo(state.stop, (section) => section.scrollIntoView());
}

/** Bring the numbers of a link within the model's bounds. */
function tidy(given) {
  const { blocks, config, walk } = known.model;
  if (!blocks.includes(given.block)) given.block = blocks[0];
  given.head = Math.min(given.head, config.n_head - 1);
  if (!walk.includes(given.stop)) given.stop = "tokens";
  const layer = /^h\.(\d+)\./.exec(given.stop);
  if (layer) given.block = Number(layer[1]);
}

let walkedByHand = () => {};

// For the curious at the browser's console, and for whoever checks the page.
globalThis.lab = { state, known, numbers, filterLogits, softmax, choose };

function build() {
  buildFacts();
  buildMachine(openPart, chooseBlock);
  buildReader({ chooseBlock, chooseHead: (head) => select(state.block, head), goTo });
  buildStages();
  buildStepper();
  buildText((text, eot) => read({ text, eot, more: [] }));
  buildChanges(apply);
  buildDraw((id) => read({ more: [...state.more, id] }, false, sayOfDraw));
  byId("walk-start").addEventListener("click", async () => {
    await goTo(known.model.tour[0]);
    byId("walk-on").focus({ preventScroll: true });
  });
  byId("changed-undo").addEventListener("click", () => apply(state.edits.slice(0, -1)));
  walkedByHand = watchScrolling((step) => {
    const stop = arrayName(step);
    if (stop === state.stop) return;
    state.stop = stop;
    drawWalk();
    writeLink();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    forgetColours();
    drawAll();
  });
  for (const link of document.querySelectorAll("a[href^='#']:not(svg a)")) {
    link.addEventListener("click", (event) => {
      event.preventDefault(); // the # of the address is the state's
      const target = document.querySelector(link.getAttribute("href"));
      if (target.dataset.step) openPart(target.dataset.step);
      else glide(target);
      const heading = target.querySelector("h2, h3") ?? target;
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
    });
  }
  addEventListener("hashchange", async ({ newURL }) => {
    // Not the address itself: an answer that came in between has written its own state there.
    const { hash } = new URL(newURL);
    if (!hash.includes("=")) return;
    const { given, tokenGiven } = readLink(hash);
    tidy(given);
    if (!(await read(given, tokenGiven))) return writeLink();
    await drawAgain(given.drawn);
    scrollTo(state.stop);
  });
  const { config } = known.model;
  for (const name of document.querySelectorAll(".model-name")) name.textContent = known.model.name;
  byId("facts").textContent = [
    `${config.n_layer} blocks`,
    `${config.n_head} heads of ${config.head_dim}`,
    `${count(config.n_embd)} wide`,
    `vocabulary of ${count(config.n_vocab)}`,
    `${count(config.n_params)} parameters`,
  ].join(" · ");
  const notes = known.model.notes ?? [];
  byId("left-out").replaceChildren(...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
}

// ---- Reading ------------------------------------------------------------------------------------

/** Read the text anew after a change of the state; if that cannot be done, say why and take it back. */
async function read(changes, keepToken = false, complainWith = say) {
  const before = structuredClone(state);
  Object.assign(state, changes);
  const number = (latest += 1);
  try {
    const about = reading();
    const answer = await ask("read", about);
    const lens = await ask("lens", about);
    await load(wantedArrays());
    if (number !== latest) return false;
    known.read = answer;
    useLens(lens);
  } catch (refusal) {
    if (number === latest) Object.assign(state, before);
    complainWith(refusal.message);
    return false;
  }
  complain("");
  say("");
  const last = tokens().length - 1;
  const sameText = JSON.stringify([before.text, before.eot, before.more]) === JSON.stringify([state.text, state.eot, state.more]);
  if (!(sameText && keepToken)) {
    state.pinned = last;
    state.step = Math.ceil((last + 1) / 2);
    state.key = Math.max(0, last - 1);
  }
  state.pinned = Math.min(state.pinned, last);
  state.key = Math.min(state.key, last);
  state.position = state.pinned;
  for (const id of ["content", "opening", "ways"]) byId(id).hidden = false;
  forgetDraws();
  buildStrip(follow, pin);
  drawAll();
  reveal();
  writeLink();
  return true;
}

function wantedArrays() {
  const { blocks, config } = known.model;
  const seq = 64;
  const all = config.n_layer * config.n_head * seq * seq <= MAP || isFrozen();
  return [
    ...["embed", "wte", "wpe", "ln_f", `h.${config.n_layer - 1}.out`, entering()],
    ...["ln_1", "attn.q", "attn.k", "attn.v", "attn.unmasked", "attn.scores", "attn.weights", "attn.z"].map(inBlock),
    ...["attn.out", "mid", "ln_2", "mlp.fc", "mlp.gelu", "mlp.out", "out"].map(inBlock),
    ...(all ? blocks.map((i) => `h.${i}.attn.weights`) : []),
  ];
}

/** Read the text with other changes of the model. */
async function apply(edits) {
  await read({ edits }, true, complain);
}

// ---- Choosing -----------------------------------------------------------------------------------

function pin(position) {
  sayInBar("");
  state.pinned = position;
  follow(position);
  reveal();
  writeLink();
}

function follow(position) {
  if (state.position === position) return;
  state.position = position;
  drawToken();
}

async function select(block, head) {
  sayInBar("");
  const other = block !== state.block;
  const stop = state.stop.startsWith("h.") ? state.stop.replace(/^h\.\d+/, `h.${block}`) : state.stop;
  const before = { block: state.block, head: state.head, stop: state.stop };
  Object.assign(state, { block, head, stop });
  if (other) {
    try {
      await load(wantedArrays());
    } catch (refusal) {
      Object.assign(state, before);
      return say(refusal.message);
    }
    drawFacts();
  }
  drawBlock();
  writeLink();
}

function chooseBlock(block) {
  return select(block, state.head);
}

/** Open the section of a part of the machine. */
function openPart(step) {
  return goTo(arrayName(step));
}

/** Walk to a stop: choose its block, light it, and scroll to it. */
async function goTo(stop) {
  if (stop === undefined) return;
  walkedByHand();
  sayInBar("");
  const layer = /^h\.(\d+)\./.exec(stop);
  state.stop = stop;
  if (layer && Number(layer[1]) !== state.block) await chooseBlock(Number(layer[1]));
  state.stop = stop;
  drawWalk();
  scrollTo(stop);
  writeLink();
}

// ---- Drawing ------------------------------------------------------------------------------------

/** Draw everything. */
function drawAll() {
  drawText();
  drawFacts();
  drawTokens();
  drawAnswer();
  drawLens(pin);
  drawLogits();
  drawOutput();
  drawChanges(apply);
  drawBlock();
}

/** Draw what depends on the chosen block and head. */
function drawBlock() {
  drawMap(select, isCut);
  drawWhole();
  drawSquares();
  drawCache();
  drawWalk();
  drawToken();
}

/** Draw what depends on the chosen token. */
function drawToken() {
  drawReader();
  drawEmbeddings();
  drawStream();
  drawQueryKeyValue();
  drawProduct();
  drawSum();
  drawHeads(select, isFrozen() ? null : (layer, head) => apply(withHeadToggled(layer, head)), isCut);
  drawTop();
  drawLensToken();
  markChosen();
}
