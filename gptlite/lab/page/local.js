// The page on one's own machine: the engine is behind gptlite lab's server.

import { start } from "./main.js";
import { say } from "./text.js";

const STOPPED = "the server has stopped: the page shows what it has, and can ask no more. Run gptlite lab again, and open the new address";

let stopped = false;

async function askServer(question) {
  if (stopped) return { error: STOPPED };
  try {
    const answer = await fetch("ask", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(question),
    });
    return await answer.json();
  } catch {
    return { error: STOPPED };
  }
}

/** Wait for the news that the server stops, so that nothing is asked in vain. */
async function watch() {
  try {
    while (!stopped) {
      const { alive } = await (await fetch("alive")).json();
      stopped = alive !== true;
    }
  } catch {
    stopped = true;
  }
  say(STOPPED);
}

await start({ name: "local", ask: askServer });
watch();
