// handshakes.json: whole transcripts. Each message is read, written anew, and its MAC or tag made again; where each
// side begins follows from what the messages tell.

import assert from "node:assert/strict";

import { concat, hex, max, min, unhex } from "../bytes.mjs";
import { build, covered, Flag, MESSAGES, OWN_NEXT, parse, parseM0, verifies } from "../handshake.mjs";
import { Code } from "../limits.mjs";
import { PeerPool, Bytes, sessionStart } from "../pools.mjs";
import { toJson } from "./json.mjs";
import { proofKey, provedKeyOf, windowOf } from "./stage.mjs";

export function* handshakes({ handshakes }) {
  for (const one of handshakes) {
    yield [`${one.name}: messages`, () => checkMessages(one)];
    yield [`${one.name}: positions`, () => checkPositions(one)];
  }
}

/** `said`: the fields of the messages, by name. */
const keyFor = (handshake, said, name) => {
  if (name === "M1" || name === "M2") return unhex(handshake.gate_key);
  const [side, verifier] = name === "M3" ? [handshake.client_state, said.M2] : [handshake.hub_state, said.M1];
  return proofKey(handshake, side, said[name].position, unhex(side.pool_bytes), verifier);
};

const saidIn = ({ messages }) =>
  Object.fromEntries(messages.map(({ name, message }) => [name, parse(name, unhex(message))]));

function checkMessages(handshake) {
  const before = [];
  const said = saidIn(handshake);
  for (const { name, message, fields, mac_input: underMac, tag_input: underTag } of handshake.messages) {
    const raw = unhex(message);
    const read = name === "M0" ? parseM0(raw) : parse(name, raw);
    assert.deepEqual(toJson(MESSAGES[name].wire(read)), fields);
    const key = name === "M0" ? null : keyFor(handshake, said, name);
    assert.equal(hex(build(name, read, key, before)), message);
    if (name !== "M0") {
      assert.equal(hex(covered(name, before, raw)), underMac ?? underTag);
      assert.ok(verifies(name, key, before, raw));
      assert.ok(!verifies(name, key, [...before, concat("x")], raw));
    }
    before.push(raw);
  }
  if (handshake.hash_keys)
    for (const side of ["client", "hub"])
      assert.equal(handshake[`${side}_state`].pool_bytes.slice(64), handshake.hash_keys[side]);
}

/** Marks that are told are 48 above those before; proofs begin where pools.md, 4 says. */
function checkPositions(handshake) {
  const { M1, M2, M3, M4 } = saidIn(handshake);
  const window = windowOf(handshake);
  const [client, hub] = [handshake.client_state, handshake.hub_state];
  if (window !== null) {
    assert.equal(M1.optional.get(OWN_NEXT).readBigUInt64BE(), BigInt(client.own_next));
    assert.equal(M1.holdings.durableMark, max(M1.holdings.exactMark, BigInt(client.told_before) + 48n));
  }
  const begins = (side, bootId, from) =>
    sessionStart({ next: BigInt(side.own_next), bootId, window, provedKey: provedKeyOf(side) }, told(from));
  const hubBegins = begins(hub, M2.bootId, M1);
  if (M2.code !== Code.OK) {
    assert.equal(M3, undefined);
    assert.equal(M2.code === Code.REWIND, window !== null && hubBegins === null);
    return;
  }
  checkHubsMark(M1, M2, BigInt(hub.told_before), window);
  if (!M3) return; // a transcript that ends with M2
  const clientBegins = begins(client, M1.bootId, M2);
  assert.deepEqual([M3.position, M4.position], [clientBegins, hubBegins]);
  assert.deepEqual([M3.position, M4.position], [BigInt(client.pool_position), BigInt(hub.pool_position)]);
  assert.ok(M4.ack >= M3.position + 48n);
  assert.equal(Boolean(M1.flags & Flag.SIMULATED), window === null);
  if (window !== null)
    for (const end of ["clientEnd", "hubEnd"]) assert.equal(M3[end], min(M1.holdings[end], M2.holdings[end]));
}

const told = ({ provedBoot, holdings }) => ({ provedBoot, ...holdings });

/** The hub has told so much before: what it tells in M2, after it has caught up where it must. */
function checkHubsMark(M1, M2, before, window) {
  const bytes = new Bytes();
  bytes.end = M2.holdings.clientEnd;
  const pool = new PeerPool(bytes, window, before);
  pool.mark = M2.holdings.exactMark;
  if (window !== null) pool.catchUp(M1.optional.get(OWN_NEXT).readBigUInt64BE());
  assert.equal(pool.tellAtHandshake(), M2.holdings.durableMark);
}
