// GF(2^8) and Shamir's scheme on bytes (sharing.md, 1 and 2).

import { randomBytes } from "node:crypto";

// Powers of the generator t + 1, twice over, so that sums of two logarithms need no reduction.
const EXP = new Uint8Array(510);
const LOG = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power++) {
  EXP[power] = EXP[power + 255] = value;
  LOG[value] = power;
  const doubled = (value << 1) ^ (value & 0x80 ? 0x11b : 0);
  value = doubled ^ value;
}

export const multiply = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);
export const inverse = (a) => EXP[255 - LOG[a]];

/** What each of the values at `xs` counts in the value at `at`: product of (at - x_j) / (x_i - x_j). */
export function lagrange(xs, at = 0) {
  return xs.map((xi) =>
    xs.filter((xj) => xj !== xi).reduce((product, xj) => multiply(product, multiply(at ^ xj, inverse(xi ^ xj))), 1),
  );
}

/** The sum of factor * string over strings of one length. */
export function combine(factors, strings) {
  const sum = Buffer.alloc(strings[0].length);
  strings.forEach((string, which) => {
    if (!factors[which]) return;
    const products = Uint8Array.from({ length: 256 }, (_, byte) => multiply(factors[which], byte));
    for (let i = 0; i < sum.length; i++) sum[i] ^= products[string[i]];
  });
  return sum;
}

/** The strings of values at `xs`; `coefficients` of degree 1 to k - 1, a string each. */
export const evaluate = (secret, coefficients, xs) =>
  xs.map((x) => {
    const powers = [1];
    for (const _ of coefficients) powers.push(multiply(powers.at(-1), x));
    return combine(powers, [secret, ...coefficients]);
  });

/** One share for each x; any k of them give the secret. */
export function share(secret, k, xs) {
  const coefficients = Array.from({ length: k - 1 }, () => randomBytes(secret.length));
  return evaluate(secret, coefficients, xs);
}

/** The secret, of exactly k shares. */
export const rebuild = (xs, shares) => combine(lagrange(xs), shares);
