// node double/lying_hub.mjs CONFIG: a hub that alters every share that it gives, for tests of clients.
//
// CONFIG is a JSON file: { name, port, gate_keys: { client: hexadecimal }, serves: { encryptor: client } }. Simulated
// PSRD, streams begin anew with every connection, no additions, no windows, no limits: just enough of a hub that any
// client takes it for one.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

import { hex, unhex } from "../src/bytes.mjs";
import { Channel } from "../src/channel.mjs";
import { clientsOf, codeBytes } from "../src/dealing.mjs";
import { malformed } from "../src/errors.mjs";
import { accept, build, FRAME_HEAD } from "../src/frames.mjs";
import * as handshake from "../src/handshake.mjs";
import { NAMES_ONLY } from "../src/identifiers.mjs";
import { Code, MAX_FRAME_BYTES, MAX_FRAME_PAD_BYTES, MAX_HANDSHAKE_BYTES } from "../src/limits.mjs";
import { isSealed, Owner, Type } from "../src/messages.mjs";
import { Bytes, OwnPool, PeerPool } from "../src/pools.mjs";
import { Sealing } from "../src/sealed.mjs";

const { Flag, ZEROS } = handshake;
const bootId = randomBytes(16);

class Connection {
  constructor(config, shares, socket) {
    this.config = config;
    this.shares = shares; // by "initiator's client, key ID": { terms, share, codes }
    this.channel = new Channel(socket);
    this.own = new OwnPool(new Bytes());
    this.peer = new PeerPool(new Bytes());
  }

  async run() {
    await this.greet();
    for (;;) {
      const raw = await this.channel.next(MAX_FRAME_BYTES);
      if (isSealed(raw[5])) this.deliver(raw);
      else this.act(accept(this.toHub, this.peer, raw));
    }
  }

  // --- handshake.md, 3, the hub's side ---

  async greet() {
    const hubNonce = randomBytes(16);
    const m0 = handshake.build("M0", { magic: "DSKE", versions: [1], nonce: hubNonce });
    this.channel.write(m0);
    const m1 = await this.channel.next(MAX_HANDSHAKE_BYTES);
    const { client, nonce } = handshake.parse("M1", m1);
    const gateKey = unhex(this.config.gate_keys[client] ?? hex(randomBytes(32)));
    if (!handshake.verifies("M1", gateKey, [m0], m1)) throw malformed("the MAC of M1 is wrong");
    this.client = client;
    const streams = { clientStream: randomBytes(16), hubStream: randomBytes(16) };
    const m2 = handshake.build("M2", this.welcome(streams), gateKey, [m0, m1]);
    this.channel.write(m2);
    this.requests = new Sealing(gateKey, hubNonce, nonce, "C");
    this.blocks = new Sealing(gateKey, hubNonce, nonce, "H");
    this.nonces = { hubNonce, clientNonce: nonce };
    await this.prove([m0, m1, m2]);
  }

  welcome(streams) {
    const holdings = { ...streams, clientEnd: 0n, hubEnd: 0n, exactMark: 0n, durableMark: 48n };
    const flags = Flag.JUST_STARTED | Flag.SIMULATED | Flag.BEGIN_ANEW;
    const said = { version: 1, code: Code.OK, reason: "", bootId, provedBoot: ZEROS, flags, holdings };
    return { ...said, maxPads: MAX_FRAME_PAD_BYTES, optional: new Map() };
  }

  async prove(before) {
    const m3 = await this.nextM3();
    const { position } = handshake.parse("M3", m3);
    this.peer.checkProof(position);
    const proof = this.peer.read(position, 48);
    if (!handshake.verifies("M3", proof.subarray(0, 32), before, m3)) throw malformed("the tag of M3 is wrong");
    this.peer.moveTo(position + 48n);
    const own = this.own.takeProof(this.own.next);
    const fields = { position: 0n, ack: this.peer.tell() };
    this.channel.write(handshake.build("M4", fields, own.subarray(0, 32), [...before, m3]));
    const { hubNonce, clientNonce } = this.nonces;
    this.toHub = { direction: "C", receiverNonce: hubNonce, hashKey: proof.subarray(32), names: NAMES_ONLY };
    this.toClient = { direction: "H", receiverNonce: clientNonce, hashKey: own.subarray(32), names: NAMES_ONLY };
  }

  async nextM3() {
    for (;;) {
      const raw = await this.channel.next(MAX_HANDSHAKE_BYTES);
      if (raw[4] !== FRAME_HEAD) return raw;
      this.deliver(raw);
    }
  }

  /** A block for a PSRD_REQUEST (pools.md, 5). */
  deliver(raw) {
    const { requestId, fields } = this.requests.accept(raw);
    const { owner, stream, sequence, size } = fields;
    const pool = owner === Owner.CLIENT ? this.peer : this.own;
    const data = randomBytes(size);
    const block = { owner, stream, sequence, uuid: randomBytes(16), data };
    pool.bytes.append(data);
    this.own.end = this.own.bytes.end;
    this.channel.write(this.blocks.build(Type.PSRD_BLOCK, requestId, block));
  }

  // --- messages.md ---

  act({ type, requestId, fields }) {
    const answers = {
      [Type.REGISTER]: () => [Type.REGISTERED, { code: Code.OK, refused: [], shareTimeoutMs: 60000 }],
      [Type.PING]: () => [
        Type.PING,
        { reply: true, clientEnd: this.peer.bytes.end, hubEnd: this.own.bytes.end, done: [] },
      ],
      [Type.LOCATE]: () => [
        Type.LOCATED,
        { clients: fields.encryptors.map((name) => this.config.serves[name] ?? null) },
      ],
      [Type.PUT_SHARES]: () => [Type.PUT_SHARES_ACK, { codes: this.put(fields.groups) }],
      [Type.GET_SHARES]: () => [Type.SHARES, this.give(fields.groups)],
    };
    if (requestId === 0 || !answers[type]) return;
    const [answer, body] = answers[type]();
    const ack = this.peer.tell();
    this.channel.write(build(this.toClient, this.own, { type: answer, requestId, fields: body, ack }));
  }

  /** Keeps whole shares, and says of all keys that they are here. */
  put(groups) {
    for (const { initiator: encryptor, responders, n, k, keyBytes, keyIds, shares, codes } of groups) {
      const terms = { initiator: { client: this.client, encryptor }, responders, n, k, keyBytes };
      const part = (bytes, which) =>
        Buffer.from(bytes).subarray(...[0, 1].map((i) => ((which + i) * bytes.length) / keyIds.length));
      keyIds.forEach((keyId, i) => {
        this.shares.set(`${this.client} ${hex(keyId)}`, { terms, share: part(shares, i), codes: part(codes, i) });
      });
    }
    return Buffer.alloc(groups.flatMap(({ keyIds }) => keyIds).length, Code.OK);
  }

  give(groups) {
    const asked = groups.flatMap(({ initiator, keyIds }) => keyIds.map((keyId) => ({ initiator, keyId })));
    const found = asked.map((one) => ({ ...one, held: this.shares.get(`${one.initiator} ${hex(one.keyId)}`) }));
    const missing = found.filter(({ held }) => !held);
    return {
      groups: found.filter(({ held }) => held).map(({ keyId, held }) => this.altered(keyId, held)),
      missing: missing.map(({ initiator, keyId }) => ({ initiator, code: Code.UNKNOWN_KEY, keyIds: [keyId] })),
    };
  }

  /** The lie. */
  altered(keyId, { terms, share, codes }) {
    const shares = Buffer.from(share);
    shares[0] ^= 1;
    const [which, length] = [clientsOf(terms.responders).indexOf(this.client), codeBytes(terms.keyBytes)];
    return {
      ...terms,
      keyIds: [keyId],
      offset: 0,
      shares,
      codes: codes.subarray(which * length, (which + 1) * length),
    };
  }
}

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const shares = new Map();
const server = createServer(async (socket) => {
  const connection = new Connection(config, shares, socket);
  await connection.run().catch((error) => console.error(`${connection.client}: ${error.message}`));
  connection.channel.close();
});
server.listen(config.port, "127.0.0.1", () => console.log("ready"));
