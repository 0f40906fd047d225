// A stage on which this client plays its part of a recorded handshake: its state as recorded, and a channel on which
// the hub's recorded pieces come.

import { concat, hex, unhex } from "../bytes.mjs";
import { OWN_NEXT, Flag, parse, ZEROS } from "../handshake.mjs";
import { Pair, Streams } from "../pair.mjs";
import { Bytes, OwnPool, PeerPool, proofHashKey } from "../pools.mjs";
import { Sealing } from "../sealed.mjs";
import { Owner, Type } from "../messages.mjs";

/** A channel (channel.mjs) on which `pieces` come; what is written is kept in `sent`. */
export class Played {
  constructor(pieces) {
    this.pieces = pieces;
    this.sent = [];
  }

  async next() {
    if (!this.pieces.length) throw new Error("the recording ends here");
    return this.pieces.shift();
  }

  write(raw) {
    this.sent.push(hex(raw));
  }
}

/**
 * Who the client is, and what it holds: { me, pair, nonce }, of M1 as it sent it, of the hub's M2, and of the recorded
 * states of both. `known`: { clientPool, hubPool }, each { end, position, bytes }: `bytes` stand at `position`, what is
 * not recorded is zeros.
 */
export function clientOf({ m1, m2 }, { client, hub: hubs }, { gateKey, hub, windowBytes, simulated }, known) {
  const offers = new Map([...m1.optional].filter(([number]) => number !== OWN_NEXT));
  const wrapping = offers.has(2) ? "on" : "off";
  const me = { client: m1.client, bootId: m1.bootId, wrapping, offers };
  const window = simulated ? null : BigInt(windowBytes);
  const streams = m1.holdings.clientStream.equals(ZEROS) ? null : streamsOf(m1, client, window, known);
  const [ownKey, hubsKey] = [client, hubs].map(provedKeyOf);
  if (ownKey) streams.own.proofLeaves(m2.bootId, 0n, ownKey);
  if (hubsKey) streams.peer.provedKey = hubsKey;
  const pair = new Pair(hub, unhex(gateKey), simulated ? null : streams);
  pair.streams = streams;
  pair.provedBoot = m1.provedBoot;
  pair.justStarted = Boolean(m1.flags & Flag.JUST_STARTED);
  return { me, pair, nonce: m1.nonce };
}

function streamsOf(m1, recorded, window, { clientPool, hubPool }) {
  const { clientStream, hubStream, clientEnd, hubEnd, exactMark } = m1.holdings;
  const own = new OwnPool(heldBefore(clientPool, clientEnd), window, BigInt(recorded.own_next));
  own.acked = BigInt(recorded.last_ack);
  const peer = new PeerPool(heldBefore(hubPool, hubEnd), window, BigInt(recorded.told_before));
  peer.mark = exactMark;
  const streams = new Streams(clientStream, hubStream, own, peer);
  streams.sequence = [clientPool, hubPool].map(({ held_before: blocks = [] }) => got(blocks).length);
  return streams;
}

/** What the client holds when it says M1. Of simulated streams that do not go on nothing is recorded but their ends. */
function heldBefore(pool, end) {
  if (!pool.held_before) return bytesOf(pool);
  if (!pool.held_before.length) return bytesOf({ end: Number(end), position: 0, bytes: "" });
  const size = got(pool.held_before).reduce((sum, block) => sum + block.size, 0);
  return bytesOf({ end: size, position: 0, bytes: pool.bytes.slice(0, 2 * size) });
}

/** The hub's blocks without those that were lost on their way. */
const got = (blocks) => blocks.filter(({ lost }) => !lost);

export function bytesOf({ end, position, bytes: text }) {
  const held = Buffer.alloc(Math.max(end, position + text.length / 2));
  unhex(text).copy(held, position);
  const bytes = new Bytes();
  bytes.append(held);
  return bytes;
}

/** The client of one of handshakes.json, and the pieces by name. `hubs`: other bytes of the hub pool than recorded. */
export function clientOfHandshake(handshake, hubs = null) {
  const pieces = Object.fromEntries(handshake.messages.map(({ name, message }) => [name, unhex(message)]));
  const [m1, m2] = ["M1", "M2"].map((name) => parse(name, pieces[name]));
  const simulated = Boolean(m1.flags & Flag.SIMULATED);
  const pool = ({ pool_position: position, pool_bytes: bytes }, end) => ({ end: Number(end), position, bytes });
  const known = {
    clientPool: pool(handshake.client_state, m1.holdings.clientEnd),
    hubPool: { ...pool(handshake.hub_state, m1.holdings.hubEnd), ...hubs },
  };
  const { gate_key: gateKey, window_bytes: windowBytes } = handshake;
  const setting = { gateKey, hub: m1.hub, windowBytes, simulated };
  const states = { client: handshake.client_state, hub: handshake.hub_state };
  const client = clientOf({ m1, m2 }, states, setting, known);
  const blocks = simulated && client.pair.streams === null ? firstBlocks(handshake, pieces, m1) : [];
  return { ...client, pieces, blocks };
}

export const windowOf = ({ window_bytes: bytes }) => (bytes === null ? null : BigInt(bytes));

export const provedKeyOf = ({ previous_hash_key: key }) => key && unhex(key);

/** r | s of the proof of a recorded `side` whose 48 bytes are these, or null; `told`: what its verifier told. */
export function proofKey(handshake, side, start, bytes, told) {
  const proof = { start, window: windowOf(handshake), bytes, provedKey: provedKeyOf(side) };
  const hashKey = proofHashKey(proof, told.holdings.durableMark);
  return hashKey && concat(hashKey, bytes.subarray(16, 32));
}

/** Blocks of 200 bytes, of which only the proofs' are given (vectors/README.md). */
function firstBlocks(handshake, { M0, M2 }, { nonce }) {
  const sealing = new Sealing(unhex(handshake.gate_key), parse("M0", M0).nonce, nonce, "H");
  const { holdings } = parse("M2", M2);
  const block = (owner, stream, { pool_bytes: text }) => {
    const data = Buffer.concat([unhex(text), Buffer.alloc(152)]);
    return sealing.build(Type.PSRD_BLOCK, 0, { owner, stream, sequence: 0, uuid: Buffer.alloc(16), data });
  };
  return [
    block(Owner.CLIENT, holdings.clientStream, handshake.client_state),
    block(Owner.HUB, holdings.hubStream, handshake.hub_state),
  ];
}
