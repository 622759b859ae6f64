// The bar at the top: which token, block and head, and the walk from array to array.

import { byId, element, percent, sentence } from "./elements.js";
import { numbers, has } from "./engine.js";
import { tokenOf } from "./figures.js";
import { lightMachine } from "./machine.js";
import { shade } from "./scales.js";
import { known, state, tokens } from "./state.js";
import { sectionOf, sections } from "./steps.js";

/** Build what stays the same for a model; `redraw` is told what has changed. */
export function buildReader({ chooseBlock, chooseHead, goTo }) {
  const { blocks, config } = known.model;
  const heads = Array.from({ length: config.n_head }, (_, i) => i);
  byId("choose-block").replaceChildren(...blocks.map((i) => element("option", { value: i }, String(i))));
  byId("choose-head").replaceChildren(...heads.map((i) => element("option", { value: i }, String(i))));
  byId("choose-block").addEventListener("change", () => chooseBlock(Number(byId("choose-block").value)));
  byId("choose-head").addEventListener("change", () => chooseHead(Number(byId("choose-head").value)));
  byId("walk-whole").addEventListener("change", () => {
    state.whole = byId("walk-whole").checked;
    drawWalk();
  });
  byId("walk-back").addEventListener("click", () => goTo(neighbour(-1)));
  byId("walk-on").addEventListener("click", () => goTo(neighbour(+1)));
}

/** Build the strip of tokens, after another text. */
export function buildStrip(follow, pin) {
  const strip = byId("strip-tokens");
  strip.replaceChildren(
    ...tokens().map((_, position) => {
      const radio = element("input", { type: "radio", name: "position", value: position });
      radio.checked = position === state.pinned;
      radio.addEventListener("change", () => pin(position));
      const weight = element("span", { class: "weight", "aria-hidden": "true" });
      const chip = element("label", { class: "chip" }, radio, tokenOf(position), weight);
      chip.addEventListener("pointerenter", (event) => {
        if (event.pointerType === "mouse") follow(position);
      });
      return chip;
    }),
  );
  strip.onpointerleave = () => follow(state.pinned);
}

/** Scroll the strip, and only the strip, to the chosen token. */
export function reveal() {
  const strip = byId("strip-tokens");
  const inner = strip.children[state.pinned].getBoundingClientRect();
  const outer = strip.getBoundingClientRect();
  if (inner.left < outer.left) strip.scrollLeft -= outer.left - inner.left + 8;
  if (inner.right > outer.right) strip.scrollLeft += inner.right - outer.right + 8;
}

/** Draw which token, block and head are chosen, and where the token looks. */
export function drawReader() {
  byId("choose-block").value = state.block;
  byId("choose-head").value = state.head;
  const name = `h.${state.block}.attn.weights`;
  if (!has(name)) return;
  const weights = numbers(name, state.head, state.position);
  [...byId("strip-tokens").children].forEach((chip, j) => {
    const future = j > state.position && weights[j] === 0;
    chip.className = `chip ${future ? "future" : shade(weights[j], 1, "share")}`;
    chip.classList.toggle("chosen", j === state.position);
    chip.querySelector(".weight").textContent = future ? "–" : percent(weights[j], 0);
  });
  const best = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 3).filter((j) => weights[j] > 0);
  const looks = best.flatMap((j, i) => [i ? ", " : "", tokenOf(j), ` ${percent(weights[j], 0)}`]);
  byId("strip-says").replaceChildren(tokenOf(state.position), ...(best.length ? [" attends to ", ...looks] : [" attends to nothing"]));
}

/** Say in the bar what went wrong: it is in sight wherever the page is scrolled; "" to take it back. */
export function sayInBar(message) {
  byId("refused").textContent = message ? sentence(message) : "";
}

// ---- The walk -----------------------------------------------------------------------------------

function stops() {
  return state.whole ? known.model.walk : known.model.tour;
}

/** Find the next stop, or the one before; from a place between the tour's stops, the nearest. */
function neighbour(by) {
  const { walk } = known.model;
  const here = walk.indexOf(state.stop);
  const others = stops().filter((stop) => (walk.indexOf(stop) - here) * by > 0);
  return by > 0 ? others[0] : others.at(-1);
}

export function drawWalk() {
  const { steps } = known.model;
  const list = stops();
  const at = list.indexOf(state.stop);
  const place = at < 0 ? "off the tour:" : `${at + 1} of ${list.length}`;
  const step = state.stop.replace(/^h\.\d+\./, "");
  byId("walk-says").replaceChildren(element("span", { class: "place" }, place), " ", element("code", {}, state.stop), ` ${steps[step].title}`);
  byId("walk-back").disabled = neighbour(-1) === undefined;
  byId("walk-on").disabled = neighbour(+1) === undefined;
  byId("walk-whole").checked = state.whole;
  for (const section of sections()) section.classList.toggle("lit", section.dataset.step === step);
  lightMachine();
}

/** Let the walk follow where the reader scrolls to: `arrive(step)` is told of each new section. */
export function watchScrolling(arrive) {
  let byHand = false;
  let seen = true;
  const hand = () => (byHand = true);
  for (const event of ["wheel", "touchmove"]) addEventListener(event, hand, { passive: true });
  addEventListener("keydown", (event) => {
    if (["PageUp", "PageDown", "ArrowUp", "ArrowDown", "Home", "End", " "].includes(event.key)) hand();
  });
  addEventListener("scroll", () => {
    if (!byHand || !seen) return;
    seen = false;
    requestAnimationFrame(() => {
      seen = true;
      const line = byId("reader").getBoundingClientRect().bottom + 140;
      const above = sections().filter((section) => section.getBoundingClientRect().top < line);
      if (byHand && above.length) arrive(above.at(-1).dataset.step);
    });
  });
  return () => (byHand = false);
}

/** Scroll to an element; glide there, unless the visitor wants no motion. */
export function glide(at) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  at.scrollIntoView({ behavior: still ? "instant" : "smooth" });
}

/** Scroll to a stop's section, in the manner that is given. */
export function scrollTo(stop, scroll = glide) {
  const section = sectionOf(stop);
  scroll(section);
  const heading = section.querySelector("h2, h3");
  heading.tabIndex = -1;
}
