// Arrays from the answers: their shape, and their numbers as the model computed them.

/** Decode an array of the protocol (engine.py): float32 in base64, or ints. */
export function decode(array) {
  if (array.int) return { shape: array.shape, values: Int32Array.from(array.int) };
  const bytes = Uint8Array.from(atob(array.float32), (c) => c.charCodeAt(0));
  return { shape: array.shape, values: new Float32Array(bytes.buffer) };
}

/** Get the part of an array at its leading indices: `part(weights, head, row)`. */
export function part({ shape, values }, ...indices) {
  for (const index of indices) {
    shape = shape.slice(1);
    const size = shape.reduce((a, b) => a * b, 1);
    values = values.subarray(index * size, (index + 1) * size);
  }
  return shape.length ? values : values[0];
}

/** Find the greatest distance from 0; what the mask hides does not count. */
export function largestOf(...vectors) {
  let most = 0;
  for (const vector of vectors) {
    for (const x of vector) if (x > -1e9 && Math.abs(x) > most && Math.abs(x) < Infinity) most = Math.abs(x);
  }
  return most;
}

/** List the n places with the greatest numbers, the greatest first. */
export function greatest(values, n) {
  return [...values.keys()].sort((a, b) => values[b] - values[a] || a - b).slice(0, n);
}
