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
  const { size, frame, blocks, parts, lines } = known.model.machine;
  const svg = drawn("svg", { viewBox: `0 0 ${size[0]} ${size[1]}`, role: "group", "aria-label": "The machine" });
  const [x, y, wide, high] = frame;
  svg.append(drawn("rect", { x, y, width: wide, height: high, rx: 8, class: "frame" }));
  svg.append(drawn("text", { x: x + wide - 8, y: y + 18, class: "which", id: "machine-block" }));
  slabs(blocks).forEach((slab, i) => {
    const shape = drawn("rect", { x: slab.x, y: slab.y, width: slab.wide, height: slab.high, rx: 2 });
    if (!known.model.blocks.includes(i)) return svg.append(drawn("g", { class: "slab absent" }, shape));
    svg.append(opens({ class: "slab", "data-block": i }, `block ${i}`, () => openBlock(i), shape));
  });
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

/** Light the part that is shown, and the block. */
export function lightMachine() {
  const step = state.stop.replace(/^h\.\d+\./, "");
  for (const part of byId("machine").querySelectorAll("[data-part]")) {
    const lit = part.dataset.part === step;
    part.classList.toggle("lit", lit);
    if (lit) part.setAttribute("aria-current", "step");
    else part.removeAttribute("aria-current");
  }
  for (const slab of byId("machine").querySelectorAll("[data-block]")) {
    slab.classList.toggle("lit", Number(slab.dataset.block) === state.block);
  }
  byId("machine-block").textContent = `block ${state.block}`;
}
