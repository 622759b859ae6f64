// The engine in the browser itself: gptlite in Python, in Pyodide, in a worker beside the page.

import { byId } from "./elements.js";
import { start } from "./main.js";
import { say } from "./text.js";

const STARTING =
  "Python is starting in this page, with NumPy, gptlite and the storyteller. The first time all of it has to " +
  "be fetched, which takes a while.";
const waiting = new Map(); // the promise of each question that has no answer yet, by its number
let asked = 0;
let failure = ""; // why there is no engine, in a sentence

/** Say in the page, and to every question, why there will be no answers. */
function fail(why) {
  failure = `Python cannot run in this page: ${why}`;
  for (const resolve of waiting.values()) resolve({ error: failure });
  waiting.clear();
  say(failure);
}

function startWorker() {
  const worker = new Worker(new URL("browser_worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => {
    if (data.failed) return fail(data.failed);
    waiting.get(data.number)?.(JSON.parse(data.answer));
    waiting.delete(data.number);
  };
  worker.onerror = () => fail("its worker could not be loaded.");
  return worker;
}

/** Ask the engine: a question as an object, the answer promised as one. */
function ask(question) {
  if (failure) return Promise.resolve({ error: failure });
  asked += 1;
  const number = asked;
  return new Promise((resolve) => {
    waiting.set(number, resolve);
    worker.postMessage({ number, question: JSON.stringify(question) });
  });
}

byId("facts").textContent = STARTING;
const worker = typeof WebAssembly === "undefined" ? null : startWorker();
if (!worker) fail("this browser has no WebAssembly.");
await start({ name: "browser", ask });
if (failure) byId("facts").textContent = "";
