// Two scales of colour, each in ten steps, as in gptlite.views: shares from white to blue, and signed
// numbers in two directions from white, red above 0 and blue below. The style sheet has the colours.

const STEPS = 10;
let colours = null;

/** Name a step on a scale: "heat-3", "pos-7". `largest` is the number at the end of the scale. */
export function shade(value, largest, scale = "signed") {
  const amount = Math.min(STEPS - 1, Math.floor((STEPS * Math.abs(value)) / largest)) || 0;
  return `${scale === "signed" && value > 0 ? "pos" : "heat"}-${amount}`;
}

/** Get a step's colour as red, green and blue. */
export function colourOf(step) {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => {
      const hex = style.getPropertyValue(`--${name}`).trim();
      return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    };
    const names = Array.from({ length: STEPS }, (_, i) => i);
    colours = new Map(["heat", "pos"].flatMap((hue) => names.map((i) => [`${hue}-${i}`, read(`${hue}-${i}`)])));
  }
  return colours.get(step);
}

/** Read the colours anew, after a change from light to dark or back. */
export function forgetColours() {
  colours = null;
}
