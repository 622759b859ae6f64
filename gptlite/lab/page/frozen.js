// The page that is one file: the answers are in it.

import { byId } from "./elements.js";
import { start } from "./main.js";
import { firstAre } from "./state.js";

const { text, eot, answers, points } = JSON.parse(byId("data").textContent);
const FROZEN = `this page is frozen: it has the numbers of one text, and the model is not in it. For any other, run: gptlite lab`;

/** Answer from the file, if it is about the one text. */
async function answerFrozen(question) {
  const { kind, start: first = 0, n = 0, seed = 0 } = question;
  if (kind === "model") return answers.model;
  if (kind === "points") {
    if (seed !== 0 || first + n > points.length) return { error: `the page has ${points.length} random numbers, and all are used: load it again, or run: gptlite lab` };
    return { points: points.slice(first, first + n) };
  }
  const same = question.text === text && question.eot === eot && !question.more.length && !question.edits.length;
  if (!same) return { error: FROZEN };
  if (kind !== "arrays") return answers[kind];
  const missing = question.names.filter((name) => !(name in answers.arrays));
  if (missing.length) return { error: `${missing[0]} is not in this page` };
  return { arrays: Object.fromEntries(question.names.map((name) => [name, answers.arrays[name]])) };
}

firstAre(text, eot);
await start({ name: "frozen", ask: answerFrozen, frozen: true });
