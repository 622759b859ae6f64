// The figures of tokens, embeddings and one block: what attention and the feed-forward network do for
// the chosen token.

// ---- Common to the figures ----------------------------------------------------------------------

/** Get an array of the chosen block, by its name in the trace. */
function ofBlock(name, ...indices) {
  return numbers(`h.${data.blocks[state.block]}.${name}`, ...indices);
}

function tokenOf(position) {
  return element("span", { class: "token", dir: "auto" }, tokens[position]);
}

function labelOf(id) {
  return element("span", { class: "token", dir: "auto" }, data.labels[id]);
}

/** Show vectors of the residual stream at the chosen token as a table, one a row. */
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

/** Mark the row and column of the chosen token in the tables of all tokens. */
function markChosen() {
  for (const item of document.querySelectorAll("[data-position]")) {
    item.classList.toggle("chosen", Number(item.dataset.position) === state.position);
  }
}

function drawSum() {
  const shown = 4; // numbers of the value, and of its part in the sum, side by side
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
  const many = count(config.n_inner);
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
