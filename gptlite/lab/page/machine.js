// The drawing of the machine, which is the page's map: what is shown is lit, a click opens a part. Where
// its parts are, says gptlite/views/machine.py.

import { byId, drawn } from "./elements.js";
import { known, state } from "./state.js";

function slabs({ at: [x, y, wide, high], n }) {
  const each = high / n;
  const gap = Math.min(3, each / 4);
  return Array.from({ length: n }, (_, i) => ({ x, y: y + high - (i + 1) * each, wide, high: each - gap }));
}

function arrow(points) {
  const [[x0, y0], [x1, y1]] = points.slice(-2);
  const [dx, dy] = [Math.sign(x1 - x0), Math.sign(y1 - y0)];
  const ends = [
    [x1, y1],
    [x1 - 6 * dx - 3 * dy, y1 - 6 * dy - 3 * dx],
    [x1 - 6 * dx + 3 * dy, y1 - 6 * dy + 3 * dx],
  ];
  return `M${ends.map((end) => end.join(" ")).join("L")}Z`;
}

/** Make a part that can be opened: a link, so that the keyboard reaches it too. */
function opens(attributes, says, does, ...children) {
  const link = drawn("a", { href: "#", "aria-label": says, ...attributes }, drawn("title", {}, says), ...children);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    does();
  });
  return link;
}

/** Draw the machine; `open(step)` and `openBlock(i)` are what a click does. */
export function buildMachine(open, openBlock) {
  const { size, frame, heads, blocks, parts, lines } = known.model.machine;
  const svg = drawn("svg", { viewBox: `0 0 ${size[0]} ${size[1]}`, role: "group", "aria-label": "The machine" });
  const [x, y, wide, high] = frame;
  svg.append(drawn("rect", { x, y, width: wide, height: high, rx: 8, class: "frame" }));
  svg.append(drawn("text", { x: x + wide - 8, y: y + 18, class: "which", id: "machine-block" }));
  svg.append(drawn("path", { class: "zoom", id: "machine-zoom" }));
  slabs(blocks).forEach((slab, i) => {
    const shape = [drawn("rect", { x: slab.x, y: slab.y, width: slab.wide, height: slab.high, rx: 2 })];
    if (slab.high > 14) shape.push(drawn("text", { x: slab.x + slab.wide / 2, y: slab.y + slab.high / 2 + 4 }, String(i)));
    if (!known.model.blocks.includes(i)) return svg.append(drawn("g", { class: "slab absent" }, ...shape));
    svg.append(opens({ class: "slab", "data-block": i }, `block ${i}`, () => openBlock(i), ...shape));
  });
  const [hx, hy, across, tall] = heads.at;
  svg.append(drawn("rect", { x: hx, y: hy, width: across, height: tall, rx: 5, class: "heads-frame" }));
  [String(heads.n), heads.n === 1 ? "head" : "heads"].forEach((word, i) =>
    svg.append(drawn("text", { x: hx + across - 18, y: hy + 62 + 12 * i, class: "heads-says" }, word)),
  );
  for (const points of lines) {
    svg.append(drawn("polyline", { points: points.map((each) => each.join(",")).join(" "), class: "wire" }));
    svg.append(drawn("path", { d: arrow(points), class: "head" }));
  }
  for (const { step, label, says, at, shape } of parts) {
    const [left, top, across, tall] = at;
    const radius = shape === "sum" ? across / 2 : 5;
    svg.append(
      opens(
        { class: `part ${shape}`, "data-part": step },
        `${label}: ${says}`,
        () => open(step),
        drawn("rect", { x: left, y: top, width: across, height: tall, rx: radius }),
        drawn("text", { x: left + across / 2, y: top + tall / 2 + 4 }, label),
      ),
    );
  }
  byId("machine").replaceChildren(svg);
}

/** List the arrays that the changes of the model meet, by their names in the trace. */
function changedArrays() {
  const steps = { head: ["attn.weights"], attention: ["attn.out"], mlp: ["mlp.out"], block: ["attn.out", "mlp.out"] };
  return state.edits.flatMap(({ change, part, layer, name }) => {
    if (typeof name === "string") return [name];
    const of = change === "unmask" ? ["attn.scores"] : (steps[part] ?? []);
    const layers = layer === undefined ? known.model.blocks : [layer];
    return layers.flatMap((i) => of.map((step) => `h.${i}.${step}`));
  });
}

/** Light the part that is shown, and the block; mark what is changed. */
export function lightMachine() {
  const step = state.stop.replace(/^h\.\d+\./, "");
  const changed = changedArrays();
  for (const part of byId("machine").querySelectorAll("[data-part]")) {
    const lit = part.dataset.part === step;
    part.classList.toggle("lit", lit);
    const its = part.dataset.part;
    part.classList.toggle("changed", changed.includes(its) || changed.includes(`h.${state.block}.${its}`));
    if (lit) part.setAttribute("aria-current", "step");
    else part.removeAttribute("aria-current");
  }
  for (const slab of byId("machine").querySelectorAll("[data-block]")) {
    slab.classList.toggle("lit", Number(slab.dataset.block) === state.block);
    slab.classList.toggle("changed", changed.some((name) => name.startsWith(`h.${slab.dataset.block}.`)));
  }
  byId("machine-block").textContent = `block ${state.block}`;
  const { blocks, frame } = known.model.machine;
  const { x, y, wide, high } = slabs(blocks)[state.block];
  const [left, top, , tall] = frame;
  byId("machine-zoom").setAttribute("d", `M${x + wide} ${y}L${left} ${top + 8}M${x + wide} ${y + high}L${left} ${top + tall - 8}`);
}
