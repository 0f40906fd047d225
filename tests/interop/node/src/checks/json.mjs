// How vectors write what JSON has not (vectors/README.md).

import { readFileSync } from "node:fs";

import { hex, unhex } from "../bytes.mjs";

/** A value of msgpack, of how a vector writes it. */
export function fromJson(value) {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === "number" && value > 0xffffffff) return BigInt(value);
  if (value === null || typeof value !== "object") return value;
  if ("hex" in value) return unhex(value.hex);
  return new Map(value.map.map(([key, item]) => [key, fromJson(item)]));
}

/** The other way round. */
export function toJson(value) {
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Map) return { map: [...value].map(([key, item]) => [key, toJson(item)]) };
  return ArrayBuffer.isView(value) ? { hex: hex(value) } : value;
}

/** Identifiers as they stand on the wire, in place of names: for bodies that are looked at without a session. */
export const RAW = { nameOf: (identifier) => identifier, refOf: (ref) => ref };

/** Terms as this program has them. */
export function termsOf({ n, k, initiator, responders, key_bytes: keyBytes }) {
  const party = ([client, encryptor]) => ({ client, encryptor });
  return { n, k, initiator: party(initiator), responders: responders.map(party), keyBytes };
}

/** A file of vectors. */
export function load(directory, name) {
  const content = JSON.parse(readFileSync(`${directory}/${name}`, "utf8"));
  if (content.protocol !== "DSKE" || content.version !== 1) throw new Error("not of DSKE, version 1");
  return content;
}
