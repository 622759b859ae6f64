// Arrays from JSON, and the elements and tables that show numbers. Text is always written as text,
// never as markup.

// ---- The arrays ---------------------------------------------------------------------------------

const decoded = new Map();

/** Get an array, or its part at the leading indices: `numbers("h.0.attn.weights", head, row)`. */
function numbers(name, ...indices) {
  if (!decoded.has(name)) decoded.set(name, decode(data.arrays[name]));
  let { shape, values } = decoded.get(name);
  for (const index of indices) {
    shape = shape.slice(1);
    const size = shape.reduce((a, b) => a * b, 1);
    values = values.subarray(index * size, (index + 1) * size);
  }
  return shape.length ? values : values[0];
}

function decode(array) {
  if (array.int) return { shape: array.shape, values: Int32Array.from(array.int) };
  const bytes = Uint8Array.from(atob(array.float32), (c) => c.charCodeAt(0));
  return { shape: array.shape, values: new Float32Array(bytes.buffer) };
}

// ---- Elements -----------------------------------------------------------------------------------

function byId(id) {
  return document.getElementById(id);
}

/** Make an element. Strings among the children become text, never markup. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function fixed(x, digits = 2) {
  const written = x.toFixed(digits);
  return (Number(written) === 0 ? written.replace("-", "") : written).replace("-", "−");
}

function percent(p, digits = 2) {
  return `${fixed(100 * p, digits)}%`;
}

function count(n) {
  return n.toLocaleString("en");
}

/** Name one of the ramp's ten steps: how far the value is on the way from 0 to the largest. */
function heat(value, largest) {
  return `heat-${Math.min(9, Math.floor((10 * Math.abs(value)) / largest)) || 0}`;
}

function largestOf(values) {
  return values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
}

function cell(text, kind = "") {
  return element("td", { class: kind }, text);
}

function rowHead(...children) {
  return element("th", { scope: "row" }, ...children);
}

function row(attributes, ...cells) {
  return element("tr", attributes, ...cells);
}

/** Put a table into a figure, in a frame that scrolls where the table is too wide. */
function show(id, caption, headings, rows, kind = "") {
  const columns = headings.map((heading) => {
    if (heading === "") return element("td");
    return heading.tagName === "TH" ? heading : element("th", { scope: "col" }, heading);
  });
  const table = element(
    "table",
    { class: kind },
    element("caption", {}, caption),
    element("thead", {}, row({}, ...columns)),
    element("tbody", {}, ...rows),
  );
  const figure = byId(id);
  if (!figure.firstChild) {
    figure.append(element("div", { class: "scroll", role: "region" }));
    overflow.observe(figure.firstChild);
  }
  const frame = figure.firstChild;
  frame.setAttribute("aria-label", caption);
  frame.replaceChildren(table);
  mindOverflow(frame);
}

/** Let the keyboard reach a frame that scrolls, and skip one that does not. */
function mindOverflow(frame) {
  if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
  else frame.removeAttribute("tabindex");
}

const overflow = new ResizeObserver((entries) => entries.forEach((e) => mindOverflow(e.target)));

/** Name the columns of a vector, with an ellipsis where only a part is shown. */
function dimensions(width, n = width) {
  const columns = Array.from({ length: width }, (_, i) => String(i));
  return width < n ? [...columns, "…"] : columns;
}

/** Turn a vector into cells, with an ellipsis where only a part is shown. */
function vectorCells(values, largest, n = values.length) {
  const cells = Array.from(values, (x) => cell(fixed(x), `number ${heat(x, largest)}`));
  return values.length < n ? [...cells, cell("…", "more")] : cells;
}
