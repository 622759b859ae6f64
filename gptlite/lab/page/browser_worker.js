// Python beside the page: starts Pyodide, which refuses a file whose checksum is not in its lock,
// loads gptlite, and hands questions to the engine of gptlite/lab/engine.py.

const FOLDER = new URL("pyodide/", import.meta.url).href;

const PROGRAM = `
import gptlite
from gptlite.lab.engine import Engine

Engine(*gptlite.load()).answer
`;

async function startPython() {
  const { loadPyodide } = await import(`${FOLDER}pyodide.mjs`);
  const python = await loadPyodide({ indexURL: FOLDER, lockFileURL: `${FOLDER}lab-lock.json` });
  const errors = [];
  await python.loadPackage("gptlite", {
    messageCallback: () => {},
    errorCallback: (message) => errors.push(message),
  });
  if (errors.length) throw new Error(errors.join("; "));
  return python.runPython(PROGRAM);
}

const answering = startPython();

onmessage = async ({ data: { number, question } }) => {
  try {
    const answer = await answering;
    postMessage({ number, answer: answer(question) });
  } catch (error) {
    // Python could not start, or it has ended, as it does without memory: it answers nothing more.
    postMessage({ failed: error.message });
  }
};
