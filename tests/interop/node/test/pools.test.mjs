// Rules of pools.md that no vector shows: what is taken is durable first, never taken twice, and overwritten.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Bytes, OwnPool, PeerPool, proofHashKey, sessionStart, windowOf } from "../src/pools.mjs";

const WINDOW = 16384n;

function pool(kind, saved = []) {
  const bytes = new Bytes();
  bytes.append(Buffer.alloc(100000, 9));
  return new kind(bytes, WINDOW, 0n, (position) => saved.push(position));
}

test("bytes are durably taken before they are given, within the window", () => {
  const saved = [];
  const own = pool(OwnPool, saved);
  own.acked = 1000n;
  const { position, bytes } = own.take(100);
  assert.deepEqual([position, bytes], [0n, Buffer.alloc(100, 9)]);
  assert.ok(saved.at(-1) >= 100n && saved.at(-1) <= own.acked + WINDOW);
  assert.throws(() => own.bytes.read(99n, 1));
  assert.equal(own.take(1).position, 100n);
});

test("the last bytes of the window are for PING alone", () => {
  const own = pool(OwnPool);
  own.take(Number(WINDOW) - 1024);
  assert.deepEqual([own.hasRoom(1n), own.hasRoom(1024n, 0n), own.hasRoom(1025n, 0n)], [false, true, false]);
  own.takeAck(500n);
  assert.ok(own.hasRoom(500n) && !own.hasRoom(501n));
  own.takeAck(400n);
  assert.ok(own.hasRoom(500n));
});

test("what a hub tells of itself lowers A, until an ack raises it", () => {
  const own = pool(OwnPool);
  own.takeAck(5000n);
  own.peerProved(3000n, 48n);
  assert.equal(own.acked, 3000n);
});

test("a mark is durable where it is told, and 48 above all that was told before", () => {
  const saved = [];
  const peer = pool(PeerPool, saved);
  peer.moveTo(5000n);
  assert.ok(peer.tell() >= 5000n);
  assert.equal(saved.at(-1), peer.durable);
  const before = peer.told;
  assert.equal(peer.tellAtHandshake(), before + 48n);
  assert.equal(saved.at(-1), before + 48n);
  assert.equal(peer.mark, 5000n);
});

test("a quarter of the window is told at once", () => {
  const peer = pool(PeerPool);
  peer.moveTo(1000n);
  assert.ok(!peer.mustTell);
  peer.moveTo(WINDOW / 4n);
  assert.ok(peer.mustTell);
  peer.tell();
  assert.ok(!peer.mustTell);
});

test("who was left behind follows the owner", () => {
  const peer = pool(PeerPool);
  assert.ok(!peer.catchUp(48n + WINDOW));
  assert.ok(peer.catchUp(49n + WINDOW));
  assert.equal(peer.tellAtHandshake(), 49n + 48n);
});

const [A, B] = [1, 2].map((i) => Buffer.alloc(16, i)); // boot IDs
const hashKey = (i) => Buffer.alloc(16, i);

test("the mark that is told says which proof was verified last", () => {
  const own = pool(OwnPool);
  for (const i of [1, 2, 3]) own.proofLeaves(A, BigInt(100 * i), hashKey(i));
  assert.equal(own.provedKey(A, 99n), null);
  assert.deepEqual(own.provedKey(A, 100n), hashKey(1));
  assert.deepEqual(own.provedKey(A, 299n), hashKey(2));
  assert.equal(own.provedKey(A, 199n), null);
  assert.deepEqual(own.provedKey(A, 5000n), hashKey(3));
});

test("proofs to another process of the peer are of no use, and forgotten when one leaves", () => {
  const own = pool(OwnPool);
  own.proofLeaves(A, 100n, hashKey(1));
  assert.equal(own.provedKey(B, 500n), null);
  assert.deepEqual(own.provedKey(A, 500n), hashKey(1));
  own.proofLeaves(B, 200n, hashKey(2));
  assert.equal(own.provedKey(A, 500n), null);
  assert.deepEqual(own.provedKey(B, 500n), hashKey(2));
});

test("a proof goes on only where its hash key is known, which is never in the pool there", () => {
  const side = { next: 1000n, bootId: A, window: WINDOW, provedKey: hashKey(9) };
  const told = { provedBoot: A, exactMark: 900n, durableMark: 950n };
  assert.equal(sessionStart(side, told), 1000n);
  assert.equal(sessionStart({ ...side, provedKey: null }, told), 950n + WINDOW);
  const bytes = Buffer.from(Array.from({ length: 48 }, (_, i) => i));
  const keyAt = (start, window) => proofHashKey({ start, window, bytes, provedKey: hashKey(9) }, 950n);
  assert.deepEqual(keyAt(950n + WINDOW, WINDOW), bytes.subarray(0, 16));
  for (const start of [0n, 1000n, 949n + WINDOW, 951n + WINDOW]) assert.deepEqual(keyAt(start, WINDOW), hashKey(9));
  assert.deepEqual(keyAt(0n, null), bytes.subarray(0, 16));
  assert.deepEqual(keyAt(1n, null), hashKey(9));
});

test("WIN is a 64th, within its bounds", () => {
  assert.deepEqual([1n << 20n, 2n << 20n, 1n << 30n].map(windowOf), [16384n, 32768n, 1048576n]);
});
