// The state of the page, and its link: all of it stands behind the # of the address.

export const TEXT = "A robot must obey the orders given it";

// What `engine.py` says of the model, and of the latest reading.
export const known = { model: null, read: null };

export const state = {
  text: TEXT,
  eot: true,
  more: [], // tokens that were drawn
  edits: [],
  stop: "tokens",
  whole: false, // every array, not the tour alone
  block: 0,
  head: 0,
  pinned: 0, // the chosen token
  position: 0, // the token under the mouse, or else the chosen one
  key: 0, // the other token of the product q · k
  stage: "masked",
  step: 1, // of the cache
  temperature: 1,
  topK: 0,
  topP: 1,
  seed: 0,
  draws: 0, // how many of the seed's random numbers are used up
  drawn: 0, // how many of them, the last ones, drew the tokens that are counted
};

/** Get what a question about the text needs. */
export function reading() {
  return { text: state.text, eot: state.eot, more: state.more, edits: state.edits };
}

// How each part is written in the link, and read from it; what is as at first is left out.
const whole = { write: String, read: (text) => (/^\d{1,9}$/.test(text) ? Number(text) : undefined) };
const amount = { write: String, read: (text) => (text !== "" && Number(text) >= 0 ? Number(text) : undefined) };
const words = { write: String, read: (text) => text };
const yes = { write: (on) => (on ? "1" : "0"), read: (text) => text === "1" };
const ids = {
  write: (list) => list.join("."),
  read: (text) => (/^\d+(\.\d+)*$/.test(text) ? text.split(".").map(Number) : undefined),
};
const json = {
  write: JSON.stringify,
  read: (text) => {
    try {
      const list = JSON.parse(text);
      return Array.isArray(list) ? list : undefined;
    } catch {
      return undefined;
    }
  },
};
const PARTS = {
  ...{ text: words, eot: yes, more: ids, edits: json, stop: words, whole: yes, block: whole, head: whole },
  ...{ pinned: whole, key: whole, stage: words, step: whole },
  ...{ temperature: amount, topK: whole, topP: amount, seed: whole, draws: whole, drawn: whole },
};
const FIRST = structuredClone(state);

/** Get the text that the page begins with. */
export function firstReading() {
  const { text, eot, more, edits } = structuredClone(FIRST);
  return { text, eot, more, edits };
}

/** Read a state from the part of an address from # on; what cannot be read stays as at first. */
export function readLink(hash) {
  const given = structuredClone(FIRST);
  const parts = new URLSearchParams(hash.slice(1));
  let tokenGiven = false;
  for (const [name, { read }] of Object.entries(PARTS)) {
    if (!parts.has(name)) continue;
    const value = read(parts.get(name));
    if (value === undefined) continue;
    given[name] = value;
    if (name === "pinned") tokenGiven = true;
  }
  given.temperature = Math.min(given.temperature, 2);
  given.topP = given.topP > 0 ? Math.min(given.topP, 1) : 1;
  return { given, tokenGiven };
}

/** Write the state into the address, so that a copy of it leads back here. */
export function writeLink() {
  const link = new URLSearchParams();
  for (const [name, { write }] of Object.entries(PARTS)) {
    const value = write(state[name]);
    if (name === "text" || name === "pinned" || value !== write(FIRST[name])) link.set(name, value);
  }
  history.replaceState(null, "", `#${link}`);
}

/** Say which texts and settings a frozen page holds: the first ones. */
export function firstAre(text, eot) {
  Object.assign(FIRST, { text, eot });
}

export function tokens() {
  return known.read.ids.map(labelText);
}

/** Name the token at a position in a sentence. */
export function quotedToken(position) {
  return `\u201c${tokens()[position]}\u201d`;
}

export function labelText(id) {
  return known.model.vocabulary[id] ?? `#${id}`;
}
