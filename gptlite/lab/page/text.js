// The text: to be read, to begin with <|endoftext|> or not, and to go on with what was drawn.

import { byId, sentence } from "./elements.js";
import { isFrozen } from "./engine.js";
import { sayInBar } from "./reader.js";
import { known, state } from "./state.js";

const OWN = "the storyteller"; // the model that gptlite lab opens unless it is told another

/** Build the form; `read(text, eot)` reads another text. */
export function buildText(read) {
  const frozen = isFrozen();
  for (const id of ["text-form", "change-forms"]) byId(id).hidden = frozen;
  for (const place of document.querySelectorAll(".only-frozen")) place.hidden = !frozen;
  byId("text-form").addEventListener("submit", (event) => {
    event.preventDefault();
    read(byId("text").value, byId("eot").checked);
  });
  for (const field of document.querySelectorAll("textarea")) {
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) field.form.requestSubmit();
    });
  }
  byId("eot").closest("label").hidden = known.model.eot === null;
}

/** Put a text into quotes as a shell reads it. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function drawText() {
  byId("title-text").textContent = known.read.said || known.model.eot;
  const { name } = known.model;
  const model = name === OWN ? "" : ` --model ${quoted(name)}`;
  for (const place of document.querySelectorAll(".command")) place.textContent = `gptlite lab${model} ${quoted(state.text)}`;
  byId("text").value = state.text;
  byId("eot").checked = state.eot;
  const first = known.read.ids[0];
  const begins = known.model.eot !== null && known.model.vocabulary[first] === known.model.eot;
  byId("eot-says").textContent = begins
    ? "It begins with <|endoftext|>, the token that stands between documents: so the model knows that a text begins here. Without it all the numbers are others."
    : "It does not begin with <|endoftext|>, the token that stands between documents: to the model it may be the middle of a text. With it all the numbers are others.";
  document.title = `Inside a GPT-2: ${known.read.said.slice(0, 80)}`;
}

/** Say at the top and in the bar what went wrong; "" to take it back. */
export function say(message) {
  byId("problem").textContent = message ? sentence(message) : "";
  byId("problem").hidden = !message;
  sayInBar(message);
}
