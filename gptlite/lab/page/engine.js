// The engine, whichever it is: questions, answers, and the arrays that have come so far.

import { decode, part } from "./numbers.js";
import { reading } from "./state.js";

let engine = null;
let waiting = 0; // questions that have no answer yet
let held = { key: "", arrays: new Map() };

/** An answer that is a sentence of refusal. */
export class Refusal extends Error {}

/** Take the engine that the page is started with: `{name, ask}`, and `frozen` if it can read no text. */
export function useEngine(given) {
  engine = given;
}

export function isFrozen() {
  return Boolean(engine.frozen);
}

/** Ask a question of the protocol. Throws a Refusal with the engine's sentence. */
export async function ask(kind, fields = {}) {
  waiting += 1;
  document.documentElement.classList.add("busy");
  try {
    const answer = await engine.ask({ kind, ...fields });
    if (answer.error) throw new Refusal(answer.error);
    return answer;
  } finally {
    waiting -= 1;
    document.documentElement.classList.toggle("busy", waiting > 0);
  }
}

/** Bring arrays of the current reading here, so that `numbers` has them. */
export async function load(names) {
  const about = reading();
  const key = JSON.stringify(about);
  const arrays = held.key === key ? held.arrays : new Map();
  const missing = names.filter((name) => !arrays.has(name));
  if (missing.length) {
    const found = (await ask("arrays", { names: missing, ...about })).arrays;
    for (const [name, array] of Object.entries(found)) arrays.set(name, decode(array));
  }
  // If another text has been asked for meanwhile, these come too late.
  if (JSON.stringify(reading()) === key) held = { key, arrays };
}

export function has(name) {
  return held.arrays.has(name);
}

/** Get an array, or its part at the leading indices: `numbers("h.0.attn.weights", head, row)`. */
export function numbers(name, ...indices) {
  return part(held.arrays.get(name), ...indices);
}
