// Draws the figures from the numbers in the JSON block, and redraws them when another token, block or
// head is chosen.

const data = JSON.parse(byId("data").textContent);
const config = data.config;
const tokens = data.ids.map((id) => data.labels[id]);

// What is being looked at. `pinned` was chosen; `position` is what the mouse is over, or else that.
// `block` and `head` count those on the page, which may be fewer than the model's.
const state = {
  pinned: tokens.length - 1,
  position: tokens.length - 1,
  block: 0,
  head: 0,
  stage: "weights",
  step: Math.ceil(tokens.length / 2),
};

// ---- What the figures share ---------------------------------------------------------------------

/** An array of the chosen block, by its name in the trace. */
function ofBlock(name, ...indices) {
  return numbers(`h.${data.blocks[state.block]}.${name}`, ...indices);
}

function tokenOf(position) {
  return element("span", { class: "token", dir: "auto" }, tokens[position]);
}

function labelOf(id) {
  return element("span", { class: "token", dir: "auto" }, data.labels[id]);
}

/** A table of vectors of the residual stream at the chosen token, one a row. */
function showStream(id, caption, named) {
  const largest = largestOf(named.flatMap(([, name]) => [...ofBlock(name, state.position)]));
  const rows = named.map(([label, name]) => {
    const vector = ofBlock(name, state.position);
    const length = fixed(ofBlock(`${name}.length`, state.position));
    const cells = vectorCells(vector, largest, config.n_embd);
    return row({ "data-array": name }, rowHead(label), ...cells, cell(length, "number"));
  });
  const width = ofBlock(named[0][1], 0).length;
  show(id, caption, ["", ...dimensions(width, config.n_embd), "length"], rows);
}

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

/** Scroll the strip, and nothing but the strip, to the pinned token. */
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

/** The n positions of greatest weight that are not masked, the greatest first. */
function likeliest(weights, n) {
  const seen = [...weights.keys()].slice(0, state.position + 1);
  return seen.sort((a, b) => weights[b] - weights[a]).slice(0, n);
}

// ---- Tokens and embeddings ----------------------------------------------------------------------

function drawTokens() {
  const rows = tokens.map((_, i) =>
    row(
      { "data-position": i },
      rowHead(String(i)),
      element("td", {}, tokenOf(i)),
      cell(String(data.ids[i]), "number"),
      cell(data.bytes[i], "bytes"),
    ),
  );
  const caption = `The text as ${tokens.length} of ${count(config.n_vocab)} tokens`;
  show("tokens-figure", caption, ["position", "token", "id", "bytes"], rows, "list");
}

function drawEmbeddings() {
  const i = state.position;
  const named = [
    [`wte[${data.ids[i]}]`, "wte"],
    [`+ wpe[${i}]`, "wpe"],
    ["= embed", "embed"],
  ];
  const largest = largestOf(named.flatMap(([, name]) => [...numbers(name, i)]));
  const rows = named.map(([label, name]) => {
    const cells = vectorCells(numbers(name, i), largest, config.n_embd);
    return row({ "data-array": name }, rowHead(label), ...cells);
  });
  const headings = ["", ...dimensions(numbers("embed", i).length, config.n_embd)];
  show("embeddings-figure", `Where ${tokens[i]} starts`, headings, rows);
}

// ---- One block ----------------------------------------------------------------------------------

function drawNorm() {
  const named = [
    ["x, the stream", "in"],
    ["ln_1(x)", "ln_1"],
  ];
  showStream("norm-figure", `The vector of ${tokens[state.position]} before and after`, named);
}

function drawQueryKeyValue() {
  const vectors = ["q", "k", "v"].map((name) => ofBlock(`attn.${name}`, state.head, state.position));
  const largest = largestOf(vectors.flatMap((vector) => [...vector]));
  const rows = ["query", "key", "value"].map((label, i) =>
    row({}, rowHead(label), ...vectorCells(vectors[i], largest, config.head_dim)),
  );
  const headings = ["", ...dimensions(vectors[0].length, config.head_dim)];
  const caption = `What ${tokens[state.position]} asks, offers and gives: ${chosenHead()}`;
  show("qkv-figure", caption, headings, rows);
}

function drawScores() {
  const query = ofBlock("attn.q", state.head, state.position);
  const keys = tokens.map((_, j) => ofBlock("attn.k", state.head, j));
  const scores = ofBlock("attn.scores", state.head, state.position);
  const root = Math.sqrt(config.head_dim);
  const largest = largestOf([query, ...keys].flatMap((vector) => [...vector]));
  const cells = (vector) => vectorCells(vector, largest, config.head_dim);
  const first = row(
    { class: "above" },
    rowHead("query of ", tokenOf(state.position)),
    ...cells(query),
    element("td"),
    element("td"),
  );
  const rows = tokens.map((_, j) =>
    row(
      { class: j > state.position ? "future" : "" },
      rowHead("key of ", tokenOf(j)),
      ...cells(keys[j]),
      cell(fixed(scores[j] * root), "number"),
      cell(fixed(scores[j]), `number ${heat(scores[j], largestOf(scores))}`),
    ),
  );
  const headings = ["", ...dimensions(query.length, config.head_dim), "q · k", `÷ √${config.head_dim}`];
  const caption = `The scores of ${tokens[state.position]}: ${chosenHead()}`;
  show("scores-figure", caption, headings, [first, ...rows]);
}

const STAGES = { scores: "scores", masked: "masked", weights: "after softmax" };

function buildStages() {
  for (const [stage, label] of Object.entries(STAGES)) {
    const radio = element("input", { type: "radio", name: "stage", value: stage });
    radio.checked = stage === state.stage;
    radio.addEventListener("change", () => {
      state.stage = stage;
      drawMask();
    });
    byId("stages").append(element("label", {}, radio, element("span", {}, label)));
  }
}

function drawMask() {
  const stage = state.stage;
  const name = stage === "weights" ? "attn.weights" : "attn.scores";
  const all = ofBlock(name, state.head);
  const largest = stage === "weights" ? 1 : largestOf(all);
  const rows = tokens.map((_, i) => {
    const cells = tokens.map((_, j) => {
      const x = all[i * tokens.length + j];
      if (j <= i || stage === "scores") return cell(fixed(x), `number ${heat(x, largest)}`);
      return cell(stage === "masked" ? "−∞" : "0", "masked");
    });
    return row({ "data-position": i }, rowHead(tokenOf(i)), ...cells);
  });
  const caption = `Queries down, keys across, ${STAGES[stage]}: ${chosenHead()}`;
  show("mask-figure", caption, ["", ...tokens.map((_, j) => tokenOf(j))], rows, "matrix");
  markChosen();
}

/** The row and column of the chosen token in tables of all tokens. */
function markChosen() {
  for (const item of document.querySelectorAll("[data-position]")) {
    item.classList.toggle("chosen", Number(item.dataset.position) === state.position);
  }
}

function drawSum() {
  const shown = 4; // of the value, and of its part in the sum, side by side
  const weights = ofBlock("attn.weights", state.head, state.position);
  const values = tokens.map((_, j) => ofBlock("attn.v", state.head, j).subarray(0, shown));
  const z = ofBlock("attn.z", state.head, state.position).subarray(0, shown);
  const largest = largestOf([z, ...values].flatMap((vector) => [...vector]));
  const cells = (vector) => vectorCells(vector, largest, config.head_dim);
  const rows = tokens.map((_, j) => {
    const weighted = values[j].map((x) => weights[j] * x);
    return row(
      { class: j > state.position ? "future" : "" },
      rowHead(tokenOf(j)),
      ...cells(values[j]),
      cell(fixed(weights[j]), `number ${heat(weights[j], 1)}`),
      ...cells(weighted),
    );
  });
  const across = cells(z).length;
  const blank = element("td", { colspan: across + 1 });
  const last = row({ class: "below" }, rowHead("sum: z"), blank, ...cells(z));
  const wide = (label) => element("th", { scope: "colgroup", colspan: across }, label);
  const headings = ["", wide("value"), "weight", wide("weight × value")];
  const caption = `Value, weight, and weight times value, for ${tokens[state.position]}: ${chosenHead()}`;
  show("sum-figure", caption, headings, [...rows, last]);
}

function buildHeads() {
  byId("heads-figure").append(
    ...data.heads.map((_, i) => {
      const card = element("button", { type: "button", class: "card" });
      card.addEventListener("click", () => {
        state.head = i;
        draw();
      });
      return card;
    }),
  );
}

function drawHeads() {
  [...byId("heads-figure").children].forEach((card, i) => {
    const weights = ofBlock("attn.weights", i, state.position);
    const lines = likeliest(weights, 3).map((j) => {
      const bar = element("span", { class: "bar" });
      bar.style.width = `${100 * weights[j]}%`;
      const rail = element("span", { class: "rail" }, bar);
      const weight = element("span", { class: "number" }, percent(weights[j], 0));
      return element("span", { class: "line" }, tokenOf(j), rail, weight);
    });
    card.replaceChildren(element("span", { class: "name" }, `head ${data.heads[i]}`), ...lines);
    card.setAttribute("aria-pressed", i === state.head);
  });
}

function drawProjection() {
  const named = [
    ["x, the stream", "in"],
    ["+ attn.out", "attn.out"],
    ["= mid", "mid"],
  ];
  const caption = `What attention adds to ${tokens[state.position]}: block ${data.blocks[state.block]}`;
  showStream("projection-figure", caption, named);
}

function drawMlp() {
  const units = ofBlock("mlp.units", state.position);
  const line = (label, name) => {
    const values = ofBlock(name, state.position);
    return row({}, rowHead(label), ...vectorCells(values, largestOf(values)));
  };
  const rows = [line("c_fc", "mlp.fc"), line("after GELU", "mlp.gelu")];
  const many = count(4 * config.n_embd);
  const caption = `The units most active at ${tokens[state.position]}, of ${many}`;
  show("units-figure", caption, ["unit", ...Array.from(units, String)], rows);
  const named = [
    ["mid", "mid"],
    ["+ mlp.out", "mlp.out"],
    ["= out", "out"],
  ];
  const adds = `What the network adds to ${tokens[state.position]}: block ${data.blocks[state.block]}`;
  showStream("mlp-figure", adds, named);
}

// ---- Up the stack -------------------------------------------------------------------------------

function levelName(level) {
  return level ? `block ${level - 1}` : "embed";
}

function drawLens() {
  const rows = [];
  for (let level = config.n_layer; level >= 0; level -= 1) {
    const cells = tokens.map((_, i) => {
      const id = numbers("lens.ids", level, i)[0];
      const p = numbers("lens.probabilities", level, i)[0];
      const right = id === data.ids[i + 1] ? "right" : "";
      const says = element("td", { class: `lens ${heat(p, 1)} ${right}`, "data-position": i });
      says.append(labelOf(id), element("span", { class: "number" }, percent(p, 0)));
      return says;
    });
    rows.push(row({}, rowHead(levelName(level)), ...cells));
  }
  const caption = "The likeliest next token after each block; bold where it is the one that follows";
  show("lens-figure", caption, ["after", ...tokens.map((_, j) => tokenOf(j))], rows, "grid");
}

function drawLensToken() {
  const rows = [];
  for (let level = config.n_layer; level >= 0; level -= 1) {
    const ids = numbers("lens.ids", level, state.position);
    const probabilities = numbers("lens.probabilities", level, state.position);
    const cells = Array.from(ids, (id, n) => {
      const says = element("td", { class: `lens ${heat(probabilities[n], 1)}` });
      says.append(labelOf(id), element("span", { class: "number" }, percent(probabilities[n])));
      return says;
    });
    rows.push(row({ "data-level": level }, rowHead(levelName(level)), ...cells));
  }
  const ranks = Array.from(numbers("lens.ids", 0, 0), (_, n) => `${n + 1}.`);
  show("lens-token-figure", `After ${tokens[state.position]}`, ["after", ...ranks], rows, "grid");
}

// ---- The next token -----------------------------------------------------------------------------

const SLIDERS = ["temperature", "top-k", "top-p"];

function buildSliders() {
  for (const id of SLIDERS) byId(id).addEventListener("input", drawOutput);
  for (const button of document.querySelectorAll("[data-settings]")) {
    button.addEventListener("click", () => {
      const settings = button.dataset.settings.split(" ");
      SLIDERS.forEach((id, i) => (byId(id).value = settings[i]));
      drawOutput();
    });
  }
}

function drawOutput() {
  const [temperature, topK, topP] = SLIDERS.map((id) => Number(byId(id).value));
  byId("temperature-says").textContent = temperature ? fixed(temperature) : "0, greedy";
  byId("top-k-says").textContent = topK ? String(topK) : "off";
  byId("top-p-says").textContent = topP < 1 ? fixed(topP) : "off";
  const logits = numbers("logits");
  const own = softmax(logits);
  const filtered = filterLogits(logits, temperature, topK, topP);
  const drawn = softmax(filtered);
  const kept = [...filtered.keys()].filter((id) => filtered[id] > -Infinity);
  const mass = kept.reduce((sum, id) => sum + own[id], 0);
  const stay = `${count(kept.length)} of ${count(config.n_vocab)} tokens`;
  const verb = kept.length === 1 ? "is" : "are";
  byId("output-says").textContent =
    `${stay} ${verb} in the draw, to which the model gave ${percent(mass)} of the probability.`;
  const longest = Math.max(...data.bars.flatMap((id) => [own[id], drawn[id]]));
  const rows = data.bars.map((id) => {
    const bar = element("span", { class: "bar" });
    bar.style.width = `${(100 * drawn[id]) / longest}%`;
    const mark = element("span", { class: "mark" });
    mark.style.left = `${(100 * own[id]) / longest}%`;
    const dropped = filtered[id] === -Infinity;
    return row(
      { "data-id": id, class: dropped ? "dropped" : "" },
      rowHead(labelOf(id)),
      cell(fixed(logits[id]), "number"),
      element("td", { class: "bars" }, element("span", { class: "rail" }, bar, mark)),
      cell(dropped ? "cut" : percent(drawn[id]), "number probability"),
    );
  });
  const caption = "The likeliest next tokens; the upright line is the model’s own probability";
  show("output-figure", caption, ["token", "logit", "", "probability"], rows, "bars");
}

// ---- The KV cache -------------------------------------------------------------------------------

function buildStepper() {
  byId("step").max = tokens.length;
  const go = (step) => {
    state.step = Math.min(Math.max(step, 1), tokens.length);
    drawCache();
  };
  byId("step").addEventListener("input", () => go(Number(byId("step").value)));
  byId("step-back").addEventListener("click", () => go(state.step - 1));
  byId("step-on").addEventListener("click", () => go(state.step + 1));
}

function drawCache() {
  const last = state.step - 1;
  byId("step").value = state.step;
  const each = 2 * config.n_layer * config.n_embd; // numbers of one token's keys and values
  const says = [
    `Step ${state.step} of ${tokens.length} reads `,
    tokenOf(last),
    ` alone. Its keys and values are ${count(each)} new numbers`,
    last ? `; the ${count(each * last)} of the tokens before it are kept from earlier steps.` : ".",
    ` The cache then takes ${count((4 * each * state.step) / 1024)} KiB.`,
  ];
  byId("cache-says").replaceChildren(...says);
  const kept = (i) => (i < last ? "kept" : i === last ? "new" : "");
  const rows = data.blocks.map((block) => {
    const cells = tokens.map((_, i) => cell(kept(i), `cache ${kept(i)}`));
    return row({}, rowHead(`block ${block}`), ...cells);
  });
  const headings = () => ["", ...tokens.map((_, i) => tokenOf(i))];
  show("cache-figure", "Keys and values of each token in each block", headings(), rows, "grid");
  const weights = ofBlock("attn.weights", state.head, last);
  const cells = tokens.map((_, j) =>
    j > last ? cell("") : cell(fixed(weights[j]), `number ${heat(weights[j], 1)}`),
  );
  const caption = `The weights of ${tokens[last]}: ${chosenHead()}`;
  show("cache-row-figure", caption, headings(), [row({}, rowHead(tokenOf(last)), ...cells)], "grid");
}

// ---- All of it ----------------------------------------------------------------------------------

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

/** What depends on the chosen token. */
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

/** What depends on the chosen block and head, too. */
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
