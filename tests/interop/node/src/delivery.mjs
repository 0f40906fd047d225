// Simulated PSRD on one connection, from M2 on (pools.md, 5; frames.md, 5): the client asks for blocks of both pools.

import { malformed } from "./errors.mjs";
import { MAX_BLOCK_BYTES } from "./limits.mjs";
import { Owner, Type } from "./messages.mjs";
import { Sealing } from "./sealed.mjs";

const OWNERS = [Owner.CLIENT, Owner.HUB];
const LOW_BYTES = 32768n;
const BLOCK_BYTES = 65536;

export class Delivery {
  constructor(gateKey, hubNonce, clientNonce, streams, write) {
    this.requests = new Sealing(gateKey, hubNonce, clientNonce, "C");
    this.blocks = new Sealing(gateKey, hubNonce, clientNonce, "H");
    this.streams = streams;
    this.write = write;
    this.asked = [-1, -1]; // the number of the block asked for last, by owner
  }

  pool(owner) {
    return owner === Owner.CLIENT ? this.streams.own : this.streams.peer;
  }

  identity(owner) {
    return owner === Owner.CLIENT ? this.streams.clientStream : this.streams.hubStream;
  }

  /** Ask for the next block of each pool that has less than `need` unused bytes, unless it is on its way. */
  refill(need = LOW_BYTES) {
    this.streams.unused().forEach((unused, which) => {
      const owner = OWNERS[which];
      const sequence = this.streams.sequence[owner];
      if (unused >= need || this.asked[owner] >= sequence) return;
      this.asked[owner] = sequence;
      const size = Math.min(MAX_BLOCK_BYTES, Math.max(BLOCK_BYTES, Number(need - unused)));
      const fields = { owner, stream: this.identity(owner), sequence, size };
      // Nobody waits for the answer by its id: the block itself tells what it is.
      this.write(this.requests.build(Type.PSRD_REQUEST, 0, fields));
    });
  }

  /** A sealed frame has come: a block, next in its stream, or one that is here already. */
  take(raw) {
    const { owner, stream, sequence, data } = this.blocks.accept(raw).fields;
    if (!stream.equals(this.identity(owner))) throw malformed("a block of another stream");
    const expected = this.streams.sequence[owner];
    if (sequence > expected) throw malformed("a block is missing before this one");
    if (sequence < expected) return;
    const pool = this.pool(owner);
    pool.bytes.append(data);
    this.streams.sequence[owner]++;
    if (owner === Owner.CLIENT) pool.end = pool.bytes.end;
  }
}
