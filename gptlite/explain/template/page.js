// The state of the page (which token, block and head), and what is drawn: everything at first, then
// whatever changes when another is chosen.

const data = JSON.parse(byId("data").textContent);
const config = data.config;
const tokens = data.ids.map((id) => data.labels[id]);

// `pinned` is the chosen token; `position` is the token under the mouse, or else the pinned one.
// `block` and `head` count the blocks and heads on the page, which may be fewer than the model's.
const state = {
  pinned: tokens.length - 1,
  position: tokens.length - 1,
  block: 0,
  head: 0,
  stage: "weights",
  step: Math.ceil(tokens.length / 2),
};

// ---- The bar at the top: which token, block and head --------------------------------------------

function buildReader() {
  const strip = byId("strip-tokens");
  tokens.forEach((token, position) => {
    const radio = element("input", { type: "radio", name: "position", value: position });
    radio.checked = position === state.pinned;
    radio.addEventListener("change", () => pin(position));
    const weight = element("span", { class: "weight", "aria-hidden": "true" });
    const chip = element("label", { class: "chip" }, radio, tokenOf(position), weight);
    chip.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") follow(position);
    });
    strip.append(chip);
  });
  strip.addEventListener("pointerleave", () => follow(state.pinned));
  const choose = (id, all, name) => {
    byId(id).append(...all.map((number, i) => element("option", { value: i }, String(number))));
    byId(id).addEventListener("change", () => {
      state[name] = Number(byId(id).value);
      draw();
    });
  };
  choose("choose-block", data.blocks, "block");
  choose("choose-head", data.heads, "head");
}

function pin(position) {
  state.pinned = position;
  follow(position);
  reveal();
}

/** Scroll the strip, and only the strip, to the pinned token. */
function reveal() {
  const strip = byId("strip-tokens");
  const inner = strip.children[state.pinned].getBoundingClientRect();
  const outer = strip.getBoundingClientRect();
  if (inner.left < outer.left) strip.scrollLeft -= outer.left - inner.left + 8;
  if (inner.right > outer.right) strip.scrollLeft += inner.right - outer.right + 8;
}

function follow(position) {
  if (state.position === position) return;
  state.position = position;
  drawToken();
}

function chosenHead() {
  return `block ${data.blocks[state.block]}, head ${data.heads[state.head]}`;
}

function drawReader() {
  byId("choose-block").value = state.block;
  byId("choose-head").value = state.head;
  const weights = ofBlock("attn.weights", state.head, state.position);
  [...byId("strip-tokens").children].forEach((chip, j) => {
    const future = j > state.position;
    chip.className = `chip ${future ? "future" : heat(weights[j], 1)}`;
    chip.classList.toggle("chosen", j === state.position);
    chip.querySelector(".weight").textContent = future ? "–" : percent(weights[j], 0);
  });
  const looks = likeliest(weights, 3).flatMap((j, i) => [
    i ? ", " : "",
    tokenOf(j),
    ` ${percent(weights[j], 0)}`,
  ]);
  byId("strip-says").replaceChildren(tokenOf(state.position), " attends to ", ...looks);
}

/** Find the n unmasked positions with the greatest weights, the greatest first. */
function likeliest(weights, n) {
  const seen = [...weights.keys()].slice(0, state.position + 1);
  return seen.sort((a, b) => weights[b] - weights[a]).slice(0, n);
}

// ---- The whole page -----------------------------------------------------------------------------

function drawFacts() {
  byId("facts").textContent = [
    `${tokens.length} tokens`,
    `${config.n_layer} blocks`,
    `${config.n_head} heads of ${config.head_dim}`,
    `${count(config.n_embd)} wide`,
    `vocabulary of ${count(config.n_vocab)}`,
    `${count(config.n_params)} parameters`,
  ].join(" · ");
  byId("thinned").textContent = data.thinned.join(" ");
  byId("thinned").hidden = data.thinned.length === 0;
  const sentences = [...data.thinned, ...data.left_out];
  byId("left-out").append(...sentences.map((sentence) => element("li", {}, sentence)));
}

/** Draw everything that depends on the chosen token. */
function drawToken() {
  drawReader();
  drawEmbeddings();
  drawNorm();
  drawQueryKeyValue();
  drawScores();
  drawSum();
  drawHeads();
  drawProjection();
  drawMlp();
  drawLensToken();
  markChosen();
}

/** Draw everything that depends on the chosen token, block and head. */
function draw() {
  drawToken();
  drawMask();
  drawCache();
}

buildReader();
buildStages();
buildHeads();
buildSliders();
buildStepper();
drawFacts();
drawTokens();
drawLens();
drawOutput();
draw();
reveal();
