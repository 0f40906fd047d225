// The worked examples of proto/examples.md, computed here from what they begin with.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { concat, hex, unhex } from "../src/bytes.mjs";
import { build } from "../src/frames.mjs";
import * as gf256 from "../src/gf256.mjs";
import * as gfp from "../src/gfp.mjs";
import { parse, verifies } from "../src/handshake.mjs";
import { NAMES_ONLY } from "../src/identifiers.mjs";
import { Type } from "../src/messages.mjs";
import { Bytes, OwnPool } from "../src/pools.mjs";
import { messageUnder, tagOf } from "../src/secret_tag.mjs";

const page = readFileSync(new URL("../../../../proto/examples.md", import.meta.url), "utf8");
const box = (name) => page.split(`<!-- ${name} -->\n\`\`\`text\n`)[1].split("```")[0];

const HEX = "((?:[0-9a-f]{2} )*[0-9a-f]{2})";

/** The bytes of a box whose lines begin with an offset. */
const bytesOf = (name) =>
  unhex(
    [...box(name).matchAll(new RegExp(`^ *\\d+  ${HEX}(?:  |$)`, "gm"))]
      .map(([, text]) => text.replaceAll(" ", ""))
      .join(""),
  );

/** The bytes behind a word in a box, which may go on on lines of their own. */
const named = (name, word) =>
  unhex(
    new RegExp(`^${word} .*?((?:\\s+[0-9a-f]{2}(?![0-9a-z])){16,})`, "ms").exec(box(name))[1].replaceAll(/\s/g, ""),
  );

const key = named("sharing", "key");
const terms = {
  n: 3,
  k: 2,
  initiator: { client: "carol", encryptor: "sam" },
  responders: [{ client: "connie", encryptor: "sofia" }],
  keyBytes: 16,
};
const keyId = bytesOf("message").subarray(7, 23);
const tag = tagOf(bytesOf("message"), gfp.bytesOf(2n));

test("the shares of the key", () => {
  const shares = gf256.evaluate(key, [named("sharing", "coefficients")], [1, 2, 3]);
  shares.forEach((share, i) => assert.deepEqual(share, named("sharing", `share, x = ${i + 1}`)));
});

test("the secret tag and its shares", () => {
  assert.deepEqual(messageUnder(terms, keyId, key, null), bytesOf("message"));
  assert.deepEqual(tag, named("tag", "f, as 16 bytes"));
  const codes = [1, 2, 3].map((x) => concat(...codeAt(x)));
  const shown = box("tag").split("code, hub").slice(1);
  codes.forEach((code, i) => {
    const lines = [...shown[i].matchAll(new RegExp(` {4}${HEX} {3}`, "g"))].map(([, text]) => text.replaceAll(" ", ""));
    assert.equal(lines.join(""), hex(code));
  });
});

/** x = 2 with the coefficient 3, f with the coefficient 1. */
const codeAt = (x) => [gfp.evaluate([2n, 3n], [x])[0], gfp.evaluate([gfp.element(tag), 1n], [x])[0]].map(gfp.bytesOf);

test("PUT_SHARES to the hub at x = 1", () => {
  const group = {
    ...{ initiator: "sam", responders: terms.responders, n: 3, k: 2, ttlMs: 60000, keyBytes: 16, keyIds: [keyId] },
    ...{
      offset: 0,
      shares: gf256.evaluate(key, [named("sharing", "coefficients")], [1])[0],
      codes: concat(...codeAt(1)),
    },
  };
  const bytes = new Bytes(16948n);
  bytes.append(bytesOf("pool"));
  const pool = new OwnPool(bytes, null, 16948n);
  const session = {
    direction: "C",
    receiverNonce: parse("M0", bytesOf("M0")).nonce,
    hashKey: named("frame tag", "r"),
    names: NAMES_ONLY,
  };
  const raw = build(session, pool, { type: Type.PUT_SHARES, requestId: 2, fields: { groups: [group] }, ack: 25884n });
  assert.equal(hex(raw), hex(bytesOf("frame")));
  assert.deepEqual(raw.subarray(-16), named("frame tag", "tag"));
});

test("the handshake before it", () => {
  const raw = ["M0", "M1", "M2", "M3", "M4"].map(bytesOf);
  const keys = {
    M1: named("macs", "G"),
    M2: named("macs", "G"),
    M3: named("macs", "client pool"),
    M4: named("macs", "hub pool"),
  };
  Object.entries(keys).forEach(([name, bytes], i) => {
    assert.equal(parse(name, raw[i + 1]).version ?? 1, 1);
    assert.ok(verifies(name, bytes.subarray(0, 32), raw.slice(0, i + 1), raw[i + 1]), name);
  });
  assert.deepEqual(keys.M3.subarray(32), named("frame tag", "r"));
});
