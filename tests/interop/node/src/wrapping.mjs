// Message wrapping (wrapping.md): whole frames inside ChaCha20-Poly1305, behind the handshake.

import { concat, u32 } from "./bytes.mjs";
import { counterNonce, open, seal } from "./crypto.mjs";
import { malformed, ProtocolError } from "./errors.mjs";
import { MAX_FRAME_BYTES } from "./limits.mjs";

const HEAD_BYTES = 10;
const TAG_BYTES = 16;

/** A wrapped piece is at most so long behind its length (section 3). */
export const MAX_WRAPPED_BYTES = MAX_FRAME_BYTES + 22;

const head = (frameBytes) => concat(u32(frameBytes + 22), Buffer.of(0x91, 0xc6), u32(frameBytes + TAG_BYTES));

/** One direction of one session. Frames have their length prefix, before and after. */
export class Wrapping {
  constructor(key) {
    this.key = Buffer.from(key);
    this.counter = 0;
  }

  wrap(frame) {
    const start = head(frame.length - 4);
    return concat(start, seal(this.key, counterNonce(this.counter++), frame.subarray(4), start));
  }

  unwrap(piece) {
    const frameBytes = piece.length - HEAD_BYTES - TAG_BYTES;
    if (frameBytes < 0 || frameBytes > MAX_FRAME_BYTES) throw malformed("a wrapped piece of a wrong length");
    const start = piece.subarray(0, HEAD_BYTES);
    if (!start.equals(head(frameBytes))) throw malformed("this is no wrapped piece");
    const frame = open(this.key, counterNonce(this.counter), piece.subarray(HEAD_BYTES), start);
    if (!frame) throw new ProtocolError("TAG", "a wrapped piece does not verify");
    this.counter++;
    return concat(u32(frameBytes), frame);
  }
}
