// The client's side of the handshake on a connection (handshake.md, 3).

import { randomBytes } from "node:crypto";

import { agreed } from "./additions.mjs";
import { concat, max, min } from "./bytes.mjs";
import { Delivery } from "./delivery.mjs";
import { Disconnected, ProtocolError, rule } from "./errors.mjs";
import { FRAME_HEAD } from "./frames.mjs";
import { build, parse, parseM0, verifies } from "./handshake.mjs";
import {
  HANDSHAKE_PAD_BYTES,
  MAX_FRAME_BYTES,
  MAX_FRAME_PAD_BYTES,
  MAX_HANDSHAKE_BYTES,
  PROTOCOL_VERSION,
  SIMULATED_MIN_POOL_BYTES,
} from "./limits.mjs";
import { Identifiers, NAMES_ONLY } from "./identifiers.mjs";
import { proofHashKey, sessionStart } from "./pools.mjs";

/** A session that is wrapped takes the bytes of WRAP as well (wrapping.md, 2). */
const PROOF_AND_WRAP_BYTES = HANDSHAKE_PAD_BYTES + 48n;

/**
 * From M0 to M4. `me`: { client, bootId, wrapping, offers }. Gives what a session is made of: { toHub, toClient,
 * streams, delivery, maxPads, inForce }; toHub and toClient are the sessions of frames.mjs, inForce is of
 * additions.mjs.
 */
export async function greet(channel, pair, me, clientNonce = randomBytes(16)) {
  const m0 = await channel.next(MAX_HANDSHAKE_BYTES);
  const hubNonce = parseM0(m0).nonce;
  const names = { version: PROTOCOL_VERSION, client: me.client, hub: pair.hub, nonce: clientNonce, bootId: me.bootId };
  const introduction = pair.introduction(me.offers);
  const m1 = build("M1", { ...names, ...introduction }, pair.gateKey, [m0]);
  channel.costly = !pair.simulated; // media: a mark was told; else only M3 takes bytes
  channel.write(m1);

  const m2 = await channel.next(MAX_HANDSHAKE_BYTES);
  const answer = parse("M2", m2);
  if (!verifies("M2", pair.gateKey, [m0, m1], m2)) throw new ProtocolError("MAC", "the MAC of M2 is wrong");
  const streams = pair.heed(answer);
  const inForce = agreed(me.offers, answer.optional, me.wrapping);
  const write = (raw) => channel.write(raw);
  const delivery = pair.simulated ? new Delivery(pair.gateKey, hubNonce, clientNonce, streams, write) : null;
  if (delivery) await fill(channel, delivery);

  const nonces = { hubNonce, clientNonce };
  const told = introduction.holdings.durableMark;
  return prove({ channel, pair, me, streams, delivery, told, answer, inForce, nonces, before: [m0, m1, m2] });
}

/** Blocks until both pools hold what the proofs take. */
async function fill(channel, delivery) {
  while (!delivery.streams.suffice) {
    delivery.refill(SIMULATED_MIN_POOL_BYTES);
    delivery.take(await channel.next(MAX_FRAME_BYTES));
  }
}

/** M3 and M4. `told`: the durable mark of M1. */
async function prove({ channel, pair, me, streams, delivery, told, answer, inForce, nonces, before }) {
  const { own, peer, clientStream, hubStream } = streams;
  const { window } = pair;
  const { exactMark, durableMark } = answer.holdings;
  const provedKey = own.provedKey(answer.bootId, exactMark);
  const side = { next: own.next, bootId: me.bootId, window, provedKey };
  const position = sessionStart(side, { provedBoot: answer.provedBoot, exactMark, durableMark });
  if (position === null) throw rule("the hub has forgotten more than a window of the client pool");
  if (inForce.wrapping && position + PROOF_AND_WRAP_BYTES > own.bytes.end) throw new Disconnected("no room for WRAP");
  const proof = own.takeProof(position);
  const hashKey = proof.subarray(32);
  own.proofLeaves(answer.bootId, position + HANDSHAKE_PAD_BYTES, hashKey);
  pair.proofLeaves(answer.bootId);
  const ends = endsOf(streams, pair.simulated ? null : answer.holdings);
  const key = keyOf(proof, proofHashKey({ start: position, window, bytes: proof, provedKey }, durableMark));
  const m3 = build("M3", { position, clientStream, hubStream, ...ends }, key, before);
  channel.costly = true;
  channel.write(m3);

  const m4 = await nextM4(channel, delivery);
  const { position: hubPosition, ack } = parse("M4", m4);
  peer.checkProof(hubPosition);
  const hubProof = peer.read(hubPosition, Number(HANDSHAKE_PAD_BYTES));
  const hubs = { start: hubPosition, window, bytes: hubProof, provedKey: peer.provedKey };
  const hubHashKey = proofHashKey(hubs, told);
  if (hubHashKey === null) throw new ProtocolError("TAG", "no hash key for this M4");
  if (!verifies("M4", keyOf(hubProof, hubHashKey), [...before, m3], m4))
    throw new ProtocolError("TAG", "the tag of M4 is wrong");
  peer.provedKey = Buffer.from(hubProof.subarray(32));
  peer.moveTo(hubPosition + HANDSHAKE_PAD_BYTES);
  own.end = ends.clientEnd;
  own.peerProved(durableMark, max(ack, position + HANDSHAKE_PAD_BYTES));
  pair.proved(answer.bootId, streams);
  const known = inForce.identifiers ? new Identifiers() : NAMES_ONLY;
  return {
    toHub: { direction: "C", receiverNonce: nonces.hubNonce, hashKey, names: known },
    toClient: { direction: "H", receiverNonce: nonces.clientNonce, hashKey: peer.provedKey, names: known },
    inForce,
    streams,
    delivery,
    maxPads: Math.min(answer.maxPads, MAX_FRAME_PAD_BYTES),
  };
}

/** r | s of a proof with these 48 bytes. */
const keyOf = (proof, hashKey) => concat(hashKey, proof.subarray(16, 32));

/** What the session runs on: `holdings` are the hub's, with PSRD on media. */
function endsOf({ own, peer }, holdings) {
  if (holdings === null) return { clientEnd: own.bytes.end, hubEnd: peer.bytes.end };
  return { clientEnd: min(own.bytes.end, holdings.clientEnd), hubEnd: min(peer.bytes.end, holdings.hubEnd) };
}

/** With simulated PSRD blocks may come before M4. */
async function nextM4(channel, delivery) {
  for (;;) {
    const raw = await channel.next(delivery ? MAX_FRAME_BYTES : MAX_HANDSHAKE_BYTES);
    if (!delivery || raw[4] !== FRAME_HEAD) return raw;
    delivery.take(raw);
  }
}
