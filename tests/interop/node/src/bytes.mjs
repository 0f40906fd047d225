// Bytes: joining, numbers in fixed places (big-endian, specification.md), comparing, XOR.

import { timingSafeEqual } from "node:crypto";

export const concat = (...parts) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));

export const hex = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");

/** Of text that must be hexadecimal through and through: Buffer.from would stop at the first wrong digit. */
export function unhex(text) {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new TypeError("this is no hexadecimal text");
  return Buffer.from(text, "hex");
}

export function u32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

export function u64(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(number);
  return bytes;
}

/** Whether two byte strings are the same, in a time that does not tell where they differ. */
export const equal = (a, b) => a.length === b.length && timingSafeEqual(a, b);

/** `target` becomes target XOR pad. */
export function xorInto(target, pad) {
  for (let i = 0; i < target.length; i++) target[i] ^= pad[i];
}

export const min = (a, b) => (a < b ? a : b);
export const max = (a, b) => (a > b ? a : b);
