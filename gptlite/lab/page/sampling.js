// From logits to probabilities: gptlite/sampling.py again, line for line, in the browser.
//
// A JavaScript number has 64 bits. Math.fround rounds it to the 32 bits that NumPy computes with, so
// divisions, differences and comparisons come out bit for bit the same. Only exp and sums may differ, in
// the last digit.

/** Compute `logits / temperature`, for a temperature above 0. */
export function applyTemperature(logits, temperature) {
  return logits.map((x) => x / Math.fround(temperature)); // a Float32Array rounds its numbers
}

/** Keep the k highest logits, and any that equals the k-th. */
export function applyTopK(logits, k) {
  const kth = logits.toSorted().at(-Math.min(k, logits.length));
  return logits.map((x) => (x < kth ? -Infinity : x));
}

/** Keep the fewest tokens that together have probability p. Among equal logits, later ids stay. */
export function applyTopP(logits, p) {
  const kept = [...logits.keys()].filter((id) => logits[id] > -Infinity);
  const rising = kept.sort((a, b) => logits[a] - logits[b]); // stable, as in sampling.py
  const probabilities = softmax(Float32Array.from(rising, (id) => logits[id]));
  const filtered = logits.slice();
  rising.pop(); // the likeliest token always stays
  let below = 0; // the running sum alone is not rounded, as in sampling.py
  for (const [i, id] of rising.entries()) {
    below += probabilities[i];
    if (Math.fround(below) <= Math.fround(1 - p)) filtered[id] = -Infinity;
  }
  return filtered;
}

/** Apply every setting, in the order of `Sampler.filter`; the draw is from the softmax of the result. */
export function filterLogits(logits, temperature, topK, topP) {
  if (temperature < 1e-10) {
    const highest = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
    return logits.map((x, id) => (id === highest ? x : -Infinity));
  }
  if (temperature !== 1) logits = applyTemperature(logits, temperature);
  if (topK) logits = applyTopK(logits, topK);
  if (topP < 1) logits = applyTopP(logits, topP);
  return logits;
}

/** Turn scores into probabilities: positive, and summing to 1. */
export function softmax(x) {
  const highest = x.reduce((a, b) => Math.max(a, b));
  const p = x.map((value) => Math.exp(Math.fround(value - highest)));
  const sum = Math.fround(p.reduce((a, b) => a + b, 0));
  return p.map((value) => value / sum);
}

/**
 * Make what chooses tokens: their probabilities lie end to end in the order of the ids, and a point, from
 * 0 to 1, falls on one of them.
 */
export function chooser(filtered) {
  const kept = [...filtered.keys()].filter((id) => filtered[id] > -Infinity);
  const probabilities = softmax(Float32Array.from(kept, (id) => filtered[id]));
  let sum = 0;
  const borders = Array.from(probabilities, (p) => (sum += p));
  return (point) => {
    let at = 0;
    while (at < kept.length - 1 && borders[at] <= point * sum) at += 1;
    return kept[at];
  };
}

/** Choose one token. */
export function choose(filtered, point) {
  return chooser(filtered)(point);
}
