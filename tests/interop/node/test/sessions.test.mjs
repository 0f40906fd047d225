// What a client must not take from a hub inside a session: wrapping.md, 2 and 3, and "Local identifiers" of
// messages.md. The hub's frames here are all tagged as they should be.

import assert from "node:assert/strict";
import { test } from "node:test";

import { build, buildPlain, buildWrap } from "../src/frames.mjs";
import { Identifiers, NAMES_ONLY } from "../src/identifiers.mjs";
import { Code } from "../src/limits.mjs";
import { Type } from "../src/messages.mjs";
import { Streams } from "../src/pair.mjs";
import { Bytes, OwnPool, PeerPool } from "../src/pools.mjs";
import { Session } from "../src/session.mjs";
import { Wrapping } from "../src/wrapping.mjs";

const pool = () => {
  const bytes = new Bytes();
  bytes.append(Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7) % 251)));
  return bytes;
};

/** A session after M4, and the hub's side of it: { session, hub, channel }. */
function opened(inForce = {}) {
  const names = inForce.identifiers ? new Identifiers() : NAMES_ONLY;
  const to = (direction) => ({ direction, receiverNonce: Buffer.alloc(16, 1), hashKey: Buffer.alloc(16, 2), names });
  const channel = { sent: [], inbound: null, outbound: null, write: (raw) => channel.sent.push(raw), close: () => {} };
  const streams = new Streams(Buffer.alloc(16), Buffer.alloc(16), new OwnPool(pool()), new PeerPool(pool()));
  const greeted = { toHub: to("C"), toClient: to("H"), streams, delivery: null, maxPads: 4096 };
  const session = new Session(channel, { ...greeted, inForce: { wrapping: false, identifiers: false, ...inForce } });
  return { session, channel, hub: new Hub(to("H")) };
}

class Hub {
  constructor(toClient) {
    this.toClient = { ...toClient, names: NAMES_ONLY };
    this.pool = new OwnPool(pool());
  }

  says(type, fields, requestId = 0) {
    return build(this.toClient, this.pool, { type, requestId, fields, ack: 0n });
  }

  wrap() {
    return buildWrap(this.toClient, this.pool, 0n).raw;
  }
}

const PING = { reply: false, clientEnd: 0n, hubEnd: 0n, done: [] };
const names = (...names) => ({ names: names.map(([identifier, name]) => ({ identifier, name })) });

test("the first frame of a session that is wrapped is WRAP", () => {
  const { session, hub, channel } = opened({ wrapping: true });
  assert.throws(() => session.take(hub.says(Type.PING, PING)), { kind: "RULE" });
  session.take(hub.wrap());
  assert.ok(channel.inbound instanceof Wrapping);
  session.take(hub.says(Type.PING, PING));
});

test("a second WRAP, and one where wrapping is not in force", () => {
  const wrapped = opened({ wrapping: true });
  wrapped.session.take(wrapped.hub.wrap());
  assert.throws(() => wrapped.session.take(wrapped.hub.wrap()), { kind: "RULE" });
  const plain = opened();
  assert.throws(() => plain.session.take(plain.hub.wrap()), { kind: "RULE" });
});

test("a WRAP of another form", () => {
  const form = { type: Type.WRAP, requestId: 0, body: Buffer.of(0x90), pads: 32, ack: 0n };
  for (const other of [{ pads: 31 }, { pads: 33 }, { requestId: 1 }, { body: Buffer.of(0x91, 0xc0) }]) {
    const { session, hub } = opened({ wrapping: true });
    assert.throws(() => session.take(buildPlain(hub.toClient, hub.pool, { ...form, ...other })), { kind: "FORM" });
  }
});

test("a wrapped piece opens once, in its turn, in its direction", () => {
  const { session, hub, channel } = opened({ wrapping: true });
  session.wrap();
  session.take(hub.wrap());
  const [first, second] = [1, 2].map(() => hub.says(Type.PING, PING));
  const out = new Wrapping(channel.inbound.key);
  const pieces = [first, second].map((frame) => out.wrap(frame));
  assert.throws(() => channel.inbound.unwrap(pieces[1]), { kind: "TAG" });
  assert.deepEqual(channel.inbound.unwrap(pieces[0]), first);
  assert.throws(() => channel.inbound.unwrap(pieces[0]), { kind: "TAG" });
  assert.throws(() => channel.outbound.unwrap(pieces[1]), { kind: "TAG" });
  assert.throws(() => channel.inbound.unwrap(second), { kind: "FORM" });
  assert.deepEqual(channel.inbound.unwrap(pieces[1]), second);
});

test("identifiers stand for names once they are defined, in both directions", async () => {
  const { session, hub, channel } = opened({ identifiers: true });
  session.take(hub.says(Type.NAMES, names([7, "carol"], [4000000000, "celia"])));
  session.take(hub.says(Type.NAMES, names([7, "carol"])));
  const located = session.request(Type.LOCATE, Type.LOCATED, { encryptors: ["sam", "nobody", "serena"] });
  await new Promise(setImmediate);
  const refs = { nameOf: () => {}, refOf: (name) => ({ carol: 7, celia: 4000000000 })[name] };
  hub.toClient = { ...hub.toClient, names: refs };
  session.take(hub.says(Type.LOCATED, { clients: ["carol", null, "celia"] }, 1));
  assert.deepEqual((await located).clients, ["carol", null, "celia"]);
  assert.equal(channel.sent.length, 1);
});

test("an identifier or a name with another partner closes, and so does an identifier that was not defined", () => {
  for (const later of [names([7, "celia"]), names([8, "carol"])]) {
    const { session, hub } = opened({ identifiers: true });
    session.take(hub.says(Type.NAMES, names([7, "carol"])));
    assert.throws(() => session.take(hub.says(Type.NAMES, later)), { kind: "RULE" });
  }
  for (const inForce of [{ identifiers: true }, {}]) {
    const { session, hub } = opened(inForce);
    hub.toClient = { ...hub.toClient, names: { nameOf: () => {}, refOf: () => 9 } };
    assert.throws(() => session.take(hub.says(Type.LOCATED, { clients: ["carol"] }, 1)), { kind: "FORM" });
  }
});

test("NAMES where local identifiers are not in force, and more names than there may be", () => {
  const { session, hub } = opened();
  assert.throws(() => session.take(hub.says(Type.NAMES, names([7, "carol"]))), { kind: "RULE" });
  const known = new Identifiers();
  const all = Array.from({ length: 65536 }, (_, i) => ({ identifier: i, name: `client${i}` }));
  known.define(all);
  assert.throws(() => known.define([{ identifier: 65536, name: "one more" }]), { kind: "RULE" });
});

test("a hub that drains says so, and other messages of no request change nothing", () => {
  const { session, hub } = opened();
  session.take(hub.says(Type.ERROR, { code: Code.LIMIT, reason: "" }));
  assert.ok(!session.draining);
  session.take(hub.says(Type.ERROR, { code: Code.SHUTTING_DOWN, reason: "" }));
  assert.ok(session.draining);
  session.take(hub.says(Type.LOCATED, { clients: [] }, 99));
  session.take(
    buildPlain(hub.toClient, hub.pool, { type: 0x7e, requestId: 0, body: Buffer.of(0xc1), pads: 5, ack: 0n }),
  );
});

test("ERROR, or an unknown type, with the id of a request fails it", async () => {
  const { session, hub } = opened();
  const ask = () => session.request(Type.LOCATE, Type.LOCATED, { encryptors: ["sam"] });
  const first = ask();
  await new Promise(setImmediate);
  session.take(hub.says(Type.ERROR, { code: Code.BAD_REQUEST, reason: "no" }, 1));
  await assert.rejects(first, /code 9: no/);
  const second = ask();
  await new Promise(setImmediate);
  session.take(
    buildPlain(hub.toClient, hub.pool, { type: 0x7e, requestId: 2, body: Buffer.of(0xc1), pads: 0, ack: 0n }),
  );
  await assert.rejects(second, /type 126/);
});
