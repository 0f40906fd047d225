// The types of specification.md, 3. Each has
//   wire(value, names)  what msgpack encodes, of a value of this program;
//   read(value, names)  a value of this program, of what msgpack decoded;
//   secrets(value)      the secret bins in it, in the order of the body's bytes (frames.md, 2).
// wire and read throw a ProtocolError at what is out of form or out of range. `names` (identifiers.mjs) has the names
// in place of the identifiers that may stand on the wire: nothing else in this program ever sees an identifier.

import { MAX_ENCRYPTOR_NAME_BYTES, MAX_NODE_NAME_BYTES } from "./limits.mjs";
import { malformed } from "./errors.mjs";

const none = () => [];

/** A type whose values look the same on both sides. */
function plain(name, good) {
  const check = (value) => {
    if (!good(value)) throw malformed(`this is no ${name}`);
    return value;
  };
  return { wire: check, read: check, secrets: none };
}

export const uint = (least, most) =>
  plain(`number from ${least} to ${most}`, (value) => Number.isInteger(value) && least <= value && value <= most);
export const uint8 = uint(0, 0xff);
export const uint32 = uint(0, 0xffffffff);

/** Positions, ends and marks: BigInt in this program, however small. */
export const uint64 = {
  wire(value) {
    if (typeof value !== "bigint" || value < 0n || value >> 64n) throw malformed("this is no uint64");
    return value;
  },
  read(value) {
    // A larger number that is no BigInt came as a float.
    return uint64.wire(typeof value === "number" ? BigInt(uint32.read(value)) : value);
  },
  secrets: none,
};

export const bool = plain("bool", (value) => typeof value === "boolean");

/** A string of so many bytes of UTF-8. (A lone surrogate does not come through UTF-8 and back.) */
export const text = (least, most) =>
  plain(`string of ${least} to ${most} bytes`, (value) => {
    if (typeof value !== "string") return false;
    const bytes = Buffer.from(value);
    return least <= bytes.length && bytes.length <= most && bytes.toString() === value;
  });
export const nodeName = text(1, MAX_NODE_NAME_BYTES);
export const encryptorName = text(1, MAX_ENCRYPTOR_NAME_BYTES);

/** A client's name, on the wire also its identifier (messages.md, "client ref"). */
export const clientRef = {
  wire: (name, names) => clientRef.read(names.refOf(name), { nameOf: (identifier) => identifier }),
  read: (value, names) => (typeof value === "number" ? names.nameOf(uint32.read(value)) : nodeName.read(value)),
  secrets: none,
};

export const bin = (least, most, more = () => true) =>
  plain(
    `binary of ${least} to ${most} bytes`,
    (value) => ArrayBuffer.isView(value) && least <= value.length && value.length <= most && more(value),
  );
export const bin16 = bin(16, 16);
export const bin32 = bin(32, 32);

/** A binary that is XORed with pads on the wire. */
export const secret = (most) => ({ ...bin(0, most), secrets: (value) => [value] });

/** Key IDs, one behind the other (messages.md, PING). In this program a list of 16 bytes each. */
export const keyIds = (most) => {
  const column = bin(16, 16 * most, (value) => value.length % 16 === 0);
  return {
    wire: (ids) => column.wire(Buffer.concat(ids.map((id) => bin16.wire(id)))),
    read(value) {
      column.read(value);
      return Array.from({ length: value.length / 16 }, (_, i) => value.subarray(16 * i, 16 * i + 16));
    },
    secrets: none,
  };
};

export const optional = (type) => ({
  wire: (value, names) => (value === null ? null : type.wire(value, names)),
  read: (value, names) => (value === null ? null : type.read(value, names)),
  secrets: none,
});

export const list = (type, least, most) => {
  const check = (value) => {
    if (!Array.isArray(value) || value.length < least || value.length > most)
      throw malformed(`this is no list of ${least} to ${most} entries`);
    return value;
  };
  return {
    wire: (values, names) => check(values).map((value) => type.wire(value, names)),
    read: (values, names) => check(values).map((value) => type.read(value, names)),
    secrets: (values) => values.flatMap(type.secrets),
  };
};

/** An array of exactly these fields on the wire; an object in this program. */
export function record(fields) {
  const entries = Object.entries(fields);
  return {
    wire: (value, names) => entries.map(([name, type]) => inField(name, () => type.wire(value[name], names))),
    read(values, names) {
      if (!Array.isArray(values) || values.length !== entries.length)
        throw malformed(`this is no array of ${entries.length} fields`);
      return Object.fromEntries(
        entries.map(([name, type], i) => [name, inField(name, () => type.read(values[i], names))]),
      );
    },
    secrets: (value) => entries.flatMap(([name, type]) => type.secrets(value[name])),
  };
}

function inField(name, convert) {
  try {
    return convert();
  } catch (error) {
    error.message = `${name}: ${error.message}`;
    throw error;
  }
}

/** The optional fields of M1 and M2: a Map from uint32 to bytes, keys in ascending order, at most 8 entries. */
export const additions = plain("map from uint32 to binaries", (value) => {
  if (!(value instanceof Map) || value.size > 8) return false;
  const keys = [...value.keys()];
  const bytes = [...value.values()].every((item) => ArrayBuffer.isView(item));
  return bytes && keys.every((key, i) => uint32.read(key) === key && (i === 0 || keys[i - 1] < key));
});
