// Pictures of arrays: every number is a cell, shaded by a scale, and can be read by pointing at it or
// with the arrow keys.

import { drawn, element, fixed, short } from "./elements.js";
import { largestOf } from "./numbers.js";
import { colourOf, shade } from "./scales.js";

const LINE = 256; // cells in a line of a strip: a longer vector goes on below

/** Paint numbers onto a canvas, a pixel for each: the style sheet makes them larger. */
export function paint(canvas, values, columns, largest, scale) {
  const rows = Math.ceil(values.length / columns);
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(columns, rows);
  for (let i = 0; i < values.length; i += 1) {
    if (values[i] <= -1e9) continue; // what the mask hides stays empty
    const [red, green, blue] = colourOf(shade(values[i], largest, scale));
    image.data.set([red, green, blue, 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Draw what the colours mean: the scale with its two ends. */
export function legend(largest, scale) {
  const steps = Array.from({ length: 10 }, (_, i) => i);
  const names = steps.map((i) => `heat-${i}`);
  if (scale === "signed") names.reverse().push(...steps.slice(1).map((i) => `pos-${i}`));
  const cells = names.map((name, i) =>
    drawn("rect", { x: i * 6, y: 0, width: 6, height: 8, class: `fill-${name}` }),
  );
  const bar = drawn("svg", { width: names.length * 6, height: 8, "aria-hidden": "true" }, ...cells);
  const ends = scale === "signed" ? [short(-largest), short(largest)] : ["0", short(largest)];
  return element("span", { class: "legend" }, ends[0], bar, ends[1]);
}

/**
 * Draw vectors below each other as strips of all their numbers.
 *
 * `rows` are `{label, name, values, chosen}`: a text or elements, what to call it in words where that is
 * another text, the numbers, whether the row is marked.
 * The options: `caption`; `scale`, "signed" or "share"; `largest`, the end of the scale; `high`, a
 * cell's height in pixels; `nameOf(j)`, a column's name in words; `columns`, labels above them;
 * `onRow(i)`, what a click on a row does.
 */
export function showRows(figure, rows, options) {
  const { caption, scale = "signed", high = 12, columns = null, onRow = null } = options;
  const nameOf = options.nameOf ?? String;
  const largest = options.largest ?? (largestOf(...rows.map((each) => each.values)) || 1);
  const n = Math.max(...rows.map((each) => each.values.length));
  const across = Math.min(n, options.line ?? LINE);
  const says = element("output", { class: "reading" }, "\u00a0");
  const body = element("div", { class: "rows" });
  const canvases = rows.map((each) => {
    const canvas = element("canvas", { class: "cells", "aria-hidden": "true" });
    paint(canvas, each.values, Math.min(across, each.values.length), largest, scale);
    canvas.style.height = `${high * canvas.height}px`;
    canvas.style.width = `${(100 * canvas.width) / across}%`;
    const chosen = each.chosen ? " chosen" : "";
    const holder = element("div", { class: `strip${chosen}` }, canvas);
    body.append(element("div", { class: `name${chosen}` }, ...[each.label].flat()), holder);
    return canvas;
  });
  const mark = element("div", { class: "cursor", hidden: true });
  const at = { row: Math.max(0, rows.findIndex((each) => each.chosen)), column: 0 };

  const point = (r, j) => {
    at.row = Math.min(Math.max(r, 0), rows.length - 1);
    const { values, label, name } = rows[at.row];
    at.column = Math.min(Math.max(j, 0), values.length - 1);
    const value = values[at.column];
    const said = name ?? [label].flat().map((part) => part.textContent ?? part).join("");
    const written = value <= -1e9 ? "−∞, masked" : fixed(value, options.digits ?? 4);
    says.textContent = `${said} ${nameOf(at.column)}: ${written}`;
    const canvas = canvases[at.row];
    const wide = canvas.clientWidth / canvas.width;
    const place = { x: (at.column % canvas.width) * wide, y: Math.floor(at.column / canvas.width) * high };
    canvas.parentElement.append(mark);
    mark.hidden = false;
    mark.style.cssText = `left:${place.x}px;top:${place.y}px;width:${Math.max(wide, 2)}px;height:${high}px`;
  };
  canvases.forEach((canvas, r) => {
    const under = (event) => {
      const box = canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * canvas.width);
      const y = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
      return Math.min(Math.max(y, 0), canvas.height - 1) * canvas.width + Math.min(Math.max(x, 0), canvas.width - 1);
    };
    canvas.addEventListener("pointermove", (event) => point(r, under(event)));
    canvas.addEventListener("pointerdown", (event) => point(r, under(event)));
    if (onRow) canvas.addEventListener("click", () => onRow(r));
  });
  const frame = element("div", {
    class: `picture${columns ? " headed" : ""}`,
    tabindex: 0,
    role: "group",
    "aria-label": `${caption}: the arrow keys read its numbers`,
  });
  frame.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (event.key in moves) {
      const [down, right] = moves[event.key];
      point(at.row + down, at.column + (mark.hidden ? 0 : right));
    } else if (event.key === "Home") point(at.row, 0);
    else if (event.key === "End") point(at.row, Infinity);
    else if (event.key === "Enter" && onRow) onRow(at.row);
    else return;
    event.preventDefault();
  });
  if (columns) {
    const labels = columns.map((label) => element("span", {}, label));
    body.prepend(element("div", { class: "name" }), element("div", { class: "heads", "aria-hidden": "true" }, ...labels));
  }
  frame.append(body);
  figure.replaceChildren(
    element("p", { class: "caption" }, caption, " ", legend(largest, scale)),
    frame,
    says,
  );
  // What is drawn can be asked for, by whoever checks it.
  figure.arrays = rows.map((each) => each.values);
}
