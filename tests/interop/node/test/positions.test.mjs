// Positions above 2^53, where numbers of JavaScript stop being exact, come through everything that holds them.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { accept, build, parse } from "../src/frames.mjs";
import * as handshake from "../src/handshake.mjs";
import { NAMES_ONLY } from "../src/identifiers.mjs";
import { Type } from "../src/messages.mjs";
import { decode, encode } from "../src/msgpack.mjs";
import { Bytes, OwnPool, PeerPool, sessionStart } from "../src/pools.mjs";
import { Marks } from "../src/store.mjs";

const FAR = 2n ** 53n + 1n;
const WINDOW = 16384n;
const session = { direction: "C", receiverNonce: Buffer.alloc(16, 1), hashKey: Buffer.alloc(16, 2), names: NAMES_ONLY };

function bytesAt(position) {
  const bytes = new Bytes(position);
  bytes.append(Buffer.from(Array.from({ length: 4096 }, (_, i) => i % 251)));
  return bytes;
}

for (const position of [FAR, 2n ** 63n - 4096n])
  test(`a frame at ${position}`, () => {
    const own = new OwnPool(bytesAt(position), null, position);
    const fields = { reply: false, clientEnd: position + 4096n, hubEnd: 2n ** 64n - 1n, done: [] };
    const raw = build(session, own, { type: Type.PING, requestId: 0, fields, ack: position + 3n });
    assert.equal(parse(raw).position, position);
    assert.equal(own.next, position + 16n);

    const peer = new PeerPool(bytesAt(position), WINDOW, position);
    const accepted = accept(session, peer, raw);
    assert.deepEqual([accepted.ack, accepted.fields, peer.mark], [position + 3n, fields, position + 16n]);
    assert.throws(() => accept(session, peer, raw), { kind: "REPLAY" });
  });

test("a window beyond 2^53 is kept to the byte", () => {
  const peer = new PeerPool(bytesAt(FAR + WINDOW - 48n), WINDOW, FAR);
  peer.check(FAR + WINDOW - 16n, FAR + WINDOW);
  assert.throws(() => peer.check(FAR + WINDOW - 15n, FAR + WINDOW + 1n), { kind: "WINDOW" });
  const side = { next: FAR, bootId: Buffer.alloc(16, 7), window: WINDOW, provedKey: Buffer.alloc(16) };
  const told = { provedBoot: side.bootId, exactMark: FAR, durableMark: FAR };
  assert.equal(sessionStart(side, told), FAR);
  assert.equal(sessionStart(side, { ...told, exactMark: FAR + 1n }), FAR + WINDOW);
});

test("M3 and M4 tell them", () => {
  const key = Buffer.alloc(32, 3);
  const raw = handshake.build("M4", { position: FAR, ack: FAR + 48n }, key, []);
  assert.deepEqual([handshake.parse("M4", raw).position, handshake.parse("M4", raw).ack], [FAR, FAR + 48n]);
  assert.ok(handshake.verifies("M4", key, [], raw));
});

test("msgpack has one form for each", () => {
  for (const number of [2n ** 32n - 1n, 2n ** 32n, FAR, 2n ** 64n - 1n])
    assert.equal(BigInt(decode(encode([number]))[0]), number);
  assert.equal(encode(5n).length, 1);
  for (const float of ["cb4340000000000000", "cb41f0000000000000"])
    assert.throws(() => handshake.MESSAGES.M4.read([decode(Buffer.from(float, "hex")), 0, Buffer.alloc(16)]));
});

test("marks on the disk", () => {
  const directory = mkdtempSync(join(tmpdir(), "dske-node-"));
  try {
    writeFileSync(join(directory, "marks.json"), JSON.stringify({ C: String(FAR), H: "0" }));
    writeFileSync(join(directory, "hub.pool"), Buffer.alloc(100, 255));
    const marks = new Marks(directory);
    assert.equal(marks.of("C"), FAR);
    marks.saver("H")(40n);
    assert.deepEqual([new Marks(directory).of("C"), new Marks(directory).of("H")], [FAR, 40n]);
    const left = readFileSync(join(directory, "hub.pool"));
    assert.deepEqual([left.subarray(0, 40), left.subarray(40)], [Buffer.alloc(40), Buffer.alloc(60, 255)]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
