// GF(p), p = 2^127 - 1, and Shamir's scheme on its elements (sharing.md, 3). Elements are BigInt.

import { randomBytes } from "node:crypto";

import { malformed } from "./errors.mjs";

export const P = (1n << 127n) - 1n;

const littleEndian = (bytes) => BigInt(`0x0${Buffer.from(bytes).reverse().toString("hex")}`);

/** Any bytes as an integer, for the blocks of secret_tag.mjs. */
export const integer = littleEndian;

/** An element of its 16 bytes. A value of p or more is refused. */
export function element(bytes) {
  const value = littleEndian(bytes);
  if (bytes.length !== 16 || value >= P) throw malformed("this is no element of GF(2^127 - 1)");
  return value;
}

export const bytesOf = (value) => Buffer.from(value.toString(16).padStart(32, "0"), "hex").reverse();

export const modulo = (value) => ((value % P) + P) % P;

/** Uniform: 127 random bits, again if they are p. */
export function random() {
  for (;;) {
    const bits = littleEndian(randomBytes(16)) & P;
    if (bits !== P) return bits;
  }
}

/** By Fermat: a^(p - 2). */
function inverse(value) {
  let result = 1n;
  for (let base = modulo(value), exponent = P - 2n; exponent; exponent >>= 1n, base = (base * base) % P)
    if (exponent & 1n) result = (result * base) % P;
  return result;
}

export const lagrange = (xs, at = 0) =>
  xs.map((xi) => {
    const others = xs.filter((xj) => xj !== xi);
    const above = others.reduce((product, xj) => modulo(product * BigInt(at - xj)), 1n);
    const below = others.reduce((product, xj) => modulo(product * BigInt(xi - xj)), 1n);
    return (above * inverse(below)) % P;
  });

/** The values at `xs` of the polynomial with these coefficients, that of degree 0 first (Horner's rule). */
export const evaluate = (coefficients, xs) =>
  xs.map((x) => coefficients.reduceRight((value, coefficient) => modulo(value * BigInt(x) + coefficient), 0n));

export const share = (secret, k, xs) => evaluate([secret, ...Array.from({ length: k - 1 }, random)], xs);

export function rebuild(xs, shares) {
  const factors = lagrange(xs);
  return modulo(shares.reduce((sum, value, i) => sum + factors[i] * value, 0n));
}
