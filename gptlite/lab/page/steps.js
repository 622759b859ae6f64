// What is said of each array: its name in the trace, its shape, the equation, the lines of source that
// make it, the field's words, and where the article tells of it.

import { byId, count, element, equation, watched } from "./elements.js";
import { known, state } from "./state.js";

/** Name the array that a section is about, in the chosen block. */
export function arrayName(step) {
  const { walk, blocks } = known.model;
  return walk.includes(step) ? step : `h.${blocks[0] === undefined ? 0 : state.block}.${step}`;
}

/** List the sections that are about a step. */
export function sections() {
  return [...document.querySelectorAll("[data-step]")];
}

export function sectionOf(stop) {
  return byId(`step-${stop.replace(/^h\.\d+\./, "")}`);
}

function shapeOf(step, name) {
  const { axes } = known.model.steps[step];
  const sizes = known.read.shapes[name] ?? (step === "tokens" ? [known.read.ids.length] : [known.model.config.n_vocab]);
  return `[${axes.map((axis, i) => `${axis} ${count(sizes[i])}`).join(", ")}]`;
}

function sourceOf({ function: name, file, line, lines }) {
  const code = element("code", {}, lines.join("\n"));
  return element(
    "figure",
    { class: "source" },
    element("figcaption", {}, element("code", {}, name), ` \u2013 ${file}, line ${line}`),
    watched(element("pre", { role: "group", "aria-label": `source of ${name}` }, code)),
  );
}

/** Fill in what is said of every step, once for a model. */
export function buildFacts() {
  for (const section of sections()) {
    const { step } = section.dataset;
    const { field, equation: tree, where, source, article } = known.model.steps[step];
    const links = article.flatMap(({ title, url }, i) => [
      i ? ", " : "",
      element("a", { href: url }, `\u201c${title.replace(/^GPT-2 (Self-attention|Fully-Connected Neural Network): /, "")}\u201d`),
    ]);
    const [first, ...others] = source;
    const more = element("details", {}, element("summary", {}, "more of the source"), ...others.map(sourceOf));
    section.querySelector(".facts-of").replaceChildren(
      element("p", { class: "signature" }, element("code", { class: "array-name" }), " ", element("span", { class: "shape" })),
      element("p", { class: "field" }, `The field says: ${field}. Article: `, ...links),
      watched(element("div", { class: "equation", role: "group", "aria-label": "equation" }, equation(tree), element("p", { class: "where" }, where))),
      sourceOf(first),
      ...(others.length ? [more] : []),
    );
  }
}

/** Write the names and shapes anew, after another text or block. */
export function drawFacts() {
  for (const section of sections()) {
    const { step } = section.dataset;
    const name = arrayName(step);
    section.querySelector(".array-name").textContent = name;
    section.querySelector(".shape").textContent = shapeOf(step, name);
  }
}
