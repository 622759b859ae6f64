// Elements: HTML, SVG and MathML, and the tables that show numbers. Text is always written as text,
// never as markup.

export function byId(id) {
  return document.getElementById(id);
}

function furnished(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Make an element. Strings among the children become text, never markup. */
export function element(tag, attributes = {}, ...children) {
  return furnished(document.createElement(tag), attributes, children);
}

/** Make an element of SVG. */
export function drawn(tag, attributes = {}, ...children) {
  return furnished(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** Make an equation of a tree of MathML: `["mi", "x"]`, or a name and more trees. */
export function equation(tree) {
  const namespace = "http://www.w3.org/1998/Math/MathML";
  const made = ([name, ...content]) => {
    const children = content.map((part) => (typeof part === "string" ? part : made(part)));
    return furnished(document.createElementNS(namespace, name), {}, children);
  };
  const math = document.createElementNS(namespace, "math");
  math.setAttribute("display", "block");
  math.append(made(tree));
  return math;
}

export function button(label, does, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", does);
  return made;
}

export function fixed(x, digits = 2) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "not a number" : x > 0 ? "∞" : "−∞";
  const written = x.toFixed(digits);
  return (Number(written) === 0 ? written.replace("-", "") : written).replace("-", "−");
}

/** Write a number to three digits, whatever its size. */
export function short(x) {
  if (x <= -1e9) return "−∞";
  const size = Math.abs(x);
  return fixed(x, size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 4);
}

export function percent(p, digits = 2) {
  return `${fixed(100 * p, digits)}%`;
}

export function count(n) {
  return n.toLocaleString("en");
}

/** Make a sentence of a message: a capital letter, a full stop. */
export function sentence(message) {
  const text = message.trim();
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?:]$/.test(begun) ? begun : `${begun}.`;
}

export function cell(text, kind = "") {
  return element("td", { class: kind }, text);
}

export function rowHead(...children) {
  return element("th", { scope: "row" }, ...children);
}

export function row(attributes, ...cells) {
  return element("tr", attributes, ...cells);
}

/** Put a table into a figure, in a frame that scrolls where the table is too wide. */
export function show(figure, caption, headings, rows, kind = "") {
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
  if (!figure.querySelector(":scope > .scroll")) {
    figure.replaceChildren(watched(element("div", { class: "scroll", role: "group" })));
  }
  const frame = figure.querySelector(":scope > .scroll");
  frame.setAttribute("aria-label", caption);
  frame.replaceChildren(table);
  mindOverflow(frame);
}

/** Let the keyboard reach a frame that scrolls, and skip one that does not. */
function mindOverflow(frame) {
  if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
  else frame.removeAttribute("tabindex");
}

/** Watch a frame, whose content may become too wide for it. */
export function watched(frame) {
  overflow.observe(frame);
  return frame;
}

const overflow = new ResizeObserver((entries) => entries.forEach((e) => mindOverflow(e.target)));
