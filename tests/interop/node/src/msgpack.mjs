// Canonical msgpack (specification.md, 3).
//
// The library does the work; this adds what it leaves open. Integers above 2^32 are BigInt on both ways, so that
// positions above 2^53 survive; a BigInt that fits into a shorter form is written in it. Maps are JavaScript Maps
// from number to bytes. Whatever does not encode to the same bytes again is refused.

import { Decoder, Encoder } from "@msgpack/msgpack";

import { concat } from "./bytes.mjs";
import { malformed } from "./errors.mjs";

const encoder = new Encoder({ useBigInt64: true });
const decoder = new Decoder({ useBigInt64: true });

/** The shortest encoding of nil, booleans, non-negative integers, strings, bytes, arrays and maps of these. */
export function encode(value) {
  if (Array.isArray(value)) return concat(head(value.length, 0x90, 0xdc), ...value.map(encode));
  if (value instanceof Map) return concat(head(value.size, 0x80, 0xde), ...[...value].flat().map(encode));
  if (typeof value === "bigint" && value <= 0xffffffffn) return encoder.encode(Number(value));
  return encoder.encode(value);
}

/** The head of an array or a map: `short` with up to 15 entries, `long` before 16 bits, the next one before 32. */
function head(entries, short, long) {
  if (entries < 16) return Buffer.of(short | entries);
  const bytes = Buffer.alloc(entries < 65536 ? 3 : 5);
  bytes[0] = entries < 65536 ? long : long + 1;
  bytes.writeUIntBE(entries, 1, bytes.length - 1);
  return bytes;
}

/** The one value that `bytes` are the canonical encoding of. Binaries in it are views of `bytes`. */
export function decode(bytes) {
  let value;
  try {
    value = withMaps(decoder.decode(bytes));
  } catch (error) {
    throw malformed(`not msgpack: ${error.message}`);
  }
  if (!encode(value).equals(bytes)) throw malformed("not canonical");
  return value;
}

/** The library gives objects for maps. Their keys are uint32 here; others do not encode to the same bytes again. */
function withMaps(value) {
  if (Array.isArray(value)) return value.map(withMaps);
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  return new Map(Object.entries(value).map(([key, item]) => [Number(key), withMaps(item)]));
}
