// The figures of the model's answer: the lens up the stack, the next token, and the KV cache.

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
  const caption = "The likeliest next token after each block; bold where it is the token that follows";
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
  const each = kept.length === 1 ? "it" : "them";
  byId("output-says").textContent =
    `${stay} ${verb} in the draw; the model gave ${each} ${percent(mass)} of the probability.`;
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
