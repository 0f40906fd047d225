// sessions.json: whole recorded connections. This client plays its part of the handshake, says every frame that it said
// in the recording, and takes every frame of the hub's; keys that were put in some sessions come out of others.

import assert from "node:assert/strict";

import { hex, unhex } from "../bytes.mjs";
import { isOn, isShare, recover } from "../dealing.mjs";
import { Refused } from "../errors.mjs";
import { accept, build, buildPlain, buildWrap } from "../frames.mjs";
import { greet } from "../greeting.mjs";
import { parse } from "../handshake.mjs";
import { decodeBody, MESSAGES, Type } from "../messages.mjs";
import { Sealing } from "../sealed.mjs";
import { Wrapping } from "../wrapping.mjs";
import { fromJson, RAW, toJson } from "./json.mjs";
import { clientOf, Played } from "./stage.mjs";

export function* sessions({ sessions, agreements }) {
  for (const session of sessions) yield [session.name, () => playSession(session)];
  for (const agreement of agreements) yield ["keys that two clients agree on", () => agree(agreement, sessions)];
}

async function playSession(session) {
  const named = (name) => session.pieces.find((piece) => piece.name === name);
  const [m1, m2] = ["M1", "M2"].map((name) => parse(name, unhex(named(name).bytes)));
  const setting = {
    gateKey: session.gate_key,
    hub: m1.hub,
    windowBytes: session.window_bytes,
    simulated: session.simulated,
  };
  const known = { clientPool: session.client_pool, hubPool: session.hub_pool };
  const states = { client: session.client_state, hub: session.hub_state };
  const { me, pair, nonce } = clientOf({ m1, m2 }, states, setting, known);
  const greetings = session.pieces.slice(0, session.pieces.findIndex(({ name }) => name === "M4") + 1);
  const fromHub = (greetings.length ? greetings : session.pieces).filter(({ direction }) => direction === "H");
  const channel = new Played(fromHub.map(({ bytes }) => unhex(bytes)));
  const greeted = greet(channel, pair, me, nonce);
  if (!greetings.length) {
    await assert.rejects(greeted, Refused);
    assert.deepEqual(channel.sent, [named("M1").bytes]);
    return;
  }
  const stage = new Stage(session, await greeted);
  for (const name of ["M1", "M3"]) assert.ok(channel.sent.includes(named(name).bytes), name);
  for (const piece of session.pieces) stage.play(piece);
  const { own, peer } = stage.streams;
  assert.deepEqual([own.next, peer.mark], [session.client_after.own_next, session.client_after.mark].map(BigInt));
}

/** A session after its handshake, from the client's side. */
class Stage {
  constructor({ gate_key: gateKey, client_nonce: clientNonce, hub_nonce: hubNonce }, greeted) {
    Object.assign(this, greeted);
    this.requests = new Sealing(unhex(gateKey), unhex(hubNonce), unhex(clientNonce), "C");
    this.wrapping = {};
    this.begun = false; // whether M4 has come: blocks before it have been taken in the handshake
  }

  play(piece) {
    const unwrapped = "wrapped" in piece ? this.unwrap(piece) : piece.bytes;
    if (piece.name === "M4") this.begun = true;
    else if (piece.direction === "C" && "sealed" in piece) this.sealed(piece, unwrapped);
    else if (this.begun && "sealed" in piece) this.delivery.take(unhex(unwrapped));
    else if (this.begun && piece.direction === "C") this.say(piece, unwrapped);
    else if (this.begun) this.hear(piece, unhex(unwrapped));
  }

  /** The frame inside, which wrapped in its turn must be the piece. */
  unwrap({ direction, bytes, frame, wrapped }) {
    const wrapping = this.wrapping[direction];
    assert.equal(wrapping.counter, wrapped);
    if (direction === "C") assert.equal(hex(wrapping.wrap(unhex(frame))), bytes);
    else assert.equal(hex(wrapping.unwrap(unhex(bytes))), frame);
    return frame;
  }

  sealed({ type, request_id: requestId, fields, sealed }, frame) {
    assert.equal(this.requests.counter, sealed);
    const read = MESSAGES.get(type).body.read(fromJson(fields));
    assert.equal(hex(this.requests.build(type, requestId, read)), frame);
  }

  say({ type, request_id: requestId, fields, plain_body: plain, ack: told, position, pads }, frame) {
    const { own } = this.streams;
    assert.equal(own.next, BigInt(position));
    const ack = BigInt(told);
    if (type === Type.WRAP) {
      const { raw, key } = buildWrap(this.toHub, own, ack);
      this.wrapping.C = new Wrapping(key);
      assert.equal(hex(raw), frame);
    } else if (!MESSAGES.has(type)) {
      const body = unhex(plain);
      assert.equal(hex(buildPlain(this.toHub, own, { type, requestId, body, pads, ack })), frame);
    } else {
      const read = MESSAGES.get(type).body.read(fromJson(fields), this.toHub.names);
      assert.equal(hex(build(this.toHub, own, { type, requestId, fields: read, ack })), frame);
    }
    assert.equal(own.next, BigInt(position + 16 + pads));
    this.streams.peer.told = ack > this.streams.peer.told ? ack : this.streams.peer.told;
  }

  hear({ type, request_id: requestId, fields, plain_body: plain, ack }, raw) {
    const heard = accept(this.toClient, this.streams.peer, raw);
    assert.deepEqual([heard.type, heard.requestId, heard.ack], [type, requestId, BigInt(ack)]);
    this.streams.own.takeAck(heard.ack);
    if (type === Type.WRAP) {
      this.wrapping.H = new Wrapping(heard.fields.key);
      return;
    }
    if (heard.fields === null) return;
    if (type === Type.NAMES) this.toClient.names.define(heard.fields.names);
    assert.deepEqual(toJson(MESSAGES.get(type).body.wire(heard.fields, this.toClient.names)), fields);
    assert.deepEqual(toJson(MESSAGES.get(type).body.wire(decodeBody(type, unhex(plain), RAW), RAW)), fields);
  }
}

/** The keys of an agreement, of the shares that its responder fetched. */
function agree({ initiator, responders, n, k, xs, keys, fetched_in: fetched, liars }, all) {
  const party = ([client, encryptor]) => ({ client, encryptor });
  const wrong = keys.flatMap(({ key_id: id, key }) => {
    const terms = { n, k, initiator: party(initiator), responders: responders.map(party), keyBytes: key.length / 2 };
    const shares = fetched.flatMap((name) =>
      sharesOf(
        id,
        all.find((session) => session.name === name),
      ),
    );
    assert.equal(shares.length, fetched.length);
    assert.ok(shares.every((share) => isShare(terms, share)));
    const found = recover(terms, unhex(id), shares);
    assert.equal(hex(found.key), key);
    return shares.filter((share) => !isOn(found.dealing, share)).map(({ x }) => x);
  });
  assert.deepEqual([...new Set(wrong)].sort(), liars.map((hub) => xs[hub]).sort());
}

/** { x, share, code } of a key in the SHARES of one session. */
function sharesOf(id, { x, pieces }) {
  const groups = pieces
    .filter(({ type }) => type === Type.SHARES)
    .flatMap(({ plain_body: plain }) => decodeBody(Type.SHARES, unhex(plain), RAW).groups);
  return groups.flatMap(({ keyIds, shares, codes }) => {
    const which = keyIds.map(hex).indexOf(id);
    if (which < 0) return [];
    const part = (bytes) =>
      bytes.subarray((which * bytes.length) / keyIds.length, ((which + 1) * bytes.length) / keyIds.length);
    return [{ x, share: part(shares), code: part(codes) }];
  });
}
