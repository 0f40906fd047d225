// Sealed frames, in which simulated PSRD travels (frames.md, 5).

import { concat } from "./bytes.mjs";
import { counterNonce, hkdf, open, seal } from "./crypto.mjs";
import { malformed } from "./errors.mjs";
import { header, parse, withTag } from "./frames.mjs";
import { decodeBody, encodeBody, isKnown, isSealed } from "./messages.mjs";

const NO_TAG = Buffer.alloc(16);

const keyOf = (gateKey, hubNonce, clientNonce, direction) =>
  hkdf(gateKey, concat(hubNonce, clientNonce), `dsked 1 simulated PSRD ${direction}`, 32);

/** One direction ("C", "H") of one connection: its key and its counter. */
export class Sealing {
  constructor(gateKey, hubNonce, clientNonce, direction) {
    this.key = keyOf(gateKey, hubNonce, clientNonce, direction);
    this.direction = direction;
    this.counter = 0;
  }

  build(type, requestId, fields) {
    const { plain } = encodeBody(type, fields);
    const start = header(type, requestId, 0n, 0, 0n, plain.length + 16);
    return withTag(concat(start, seal(this.key, counterNonce(this.counter++), plain, start)), NO_TAG);
  }

  /** { type, requestId, fields } of a frame in this direction. */
  accept(raw) {
    const frame = parse(raw);
    const zeros = frame.position === 0n && frame.pads === 0 && frame.ack === 0n && frame.tag.equals(NO_TAG);
    if (!zeros || !isSealed(frame.type) || !isKnown(frame.type, this.direction)) throw malformed("no sealed frame");
    const plain = open(this.key, counterNonce(this.counter), frame.body, frame.header);
    if (!plain) throw malformed("a sealed frame does not verify");
    this.counter++;
    return { type: frame.type, requestId: frame.requestId, fields: decodeBody(frame.type, plain) };
  }
}
