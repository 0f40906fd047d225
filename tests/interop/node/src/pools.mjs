// Pools, positions and the window (pools.md). Positions are BigInt throughout.

import { max, min } from "./bytes.mjs";
import { Disconnected, ProtocolError } from "./errors.mjs";
import {
  HANDSHAKE_PAD_BYTES,
  MAX_FRAME_PAD_BYTES,
  WINDOW_MAX_BYTES,
  WINDOW_MIN_BYTES,
  WINDOW_PING_RESERVE_BYTES,
  WINDOW_POOL_FRACTION,
} from "./limits.mjs";

/** WIN of streams whose first bundle has so many bytes in its smaller pool (section 2; bundles.md, 3). */
export function windowOf(size) {
  const fraction = size / BigInt(WINDOW_POOL_FRACTION);
  return max(BigInt(WINDOW_MIN_BYTES), min(BigInt(WINDOW_MAX_BYTES), fraction));
}

/** The bytes of one stream that are here. Given up bytes are overwritten, and cannot be read any more. */
export class Bytes {
  /** `start`: the position of the first byte that will be appended. */
  constructor(start = 0n) {
    this.blocks = [];
    this.given = start; // everything below is given up
    this.end = start;
  }

  /** Takes the bytes over: they will be overwritten where they stand. */
  append(bytes) {
    this.blocks.push({ start: this.end, bytes });
    this.end += BigInt(bytes.length);
  }

  read(position, length) {
    const end = position + BigInt(length);
    if (position < this.given || end > this.end) throw new RangeError(`bytes at ${position} are not here`);
    return Buffer.concat(
      this.blocks
        .filter((block) => block.start < end && block.start + BigInt(block.bytes.length) > position)
        .map((block) => block.bytes.subarray(Number(max(0n, position - block.start)), Number(end - block.start))),
    );
  }

  /** Overwrite and forget all below `position`. */
  giveUp(position) {
    for (const { start, bytes } of this.blocks)
      if (start < position) bytes.fill(0, 0, Number(min(position - start, BigInt(bytes.length))));
    this.blocks = this.blocks.filter(({ start, bytes }) => start + BigInt(bytes.length) > position);
    this.given = max(this.given, position);
  }
}

/**
 * One of the two pools of a pair: what both its sides keep. `window` is WIN, or null where PSRD is simulated. `saved`
 * is the durable position from which a new process starts; `save(position)` makes a larger one durable at once.
 * (Simulated pools end with the process: nothing is saved of them.)
 */
class Pool {
  constructor(bytes, window = null, saved = 0n, save = () => {}) {
    this.bytes = bytes;
    this.window = window;
    this.durable = saved;
    this.save = save;
  }

  /** Secret bytes of one frame, at most (section 2). */
  get mostPads() {
    return this.window === null ? MAX_FRAME_PAD_BYTES : Math.min(MAX_FRAME_PAD_BYTES, Number(this.window / 4n));
  }

  makeDurable(position) {
    if (position <= this.durable) return;
    this.save(position);
    this.durable = position;
  }
}

/** The pool that this side owns: it takes bytes to send. */
export class OwnPool extends Pool {
  constructor(bytes, window, saved, save) {
    super(bytes, window, saved, save);
    this.next = this.durable;
    this.acked = 0n; // A
    this.end = bytes.end; // E
    this.proofs = []; // that left this process and may be asked for: { to, end, hashKey }, by position
  }

  /** Where frames must end; `reserve` is left as well: the end of the window is for PING alone. */
  limit(reserve) {
    if (this.window === null) return this.end;
    return min(this.end, this.acked + this.window) - reserve;
  }

  /** Whether a frame that takes so many bytes may leave now. */
  hasRoom(length, reserve = WINDOW_PING_RESERVE_BYTES) {
    return this.next + length <= this.limit(reserve);
  }

  /** The next bytes, durably taken. The durable position runs ahead, but never beyond A + WIN. */
  take(length) {
    const end = this.next + BigInt(length);
    if (!this.hasRoom(BigInt(length), 0n)) throw new RangeError("these bytes may not be taken now");
    if (end > this.durable) this.makeDurable(this.window === null ? end : this.ahead(end));
    const bytes = this.bytes.read(this.next, length);
    const position = this.next;
    this.next = end;
    this.bytes.giveUp(end);
    return { position, bytes };
  }

  /** Bytes that the next take will give: from `offset` on. */
  peek(offset, length) {
    return this.bytes.read(this.next + BigInt(offset), length);
  }

  ahead(end) {
    return max(end, min(end + this.window / 8n, this.acked + this.window));
  }

  /** The 48 bytes of a proof at `start` (section 4), reserved before they are read. */
  takeProof(start) {
    const end = start + HANDSHAKE_PAD_BYTES;
    if (start < this.next) throw new RangeError("a proof never goes back");
    if (end > this.bytes.end) throw new Disconnected("the pool is used up: new blocks must be delivered");
    this.makeDurable(end);
    const bytes = this.bytes.read(start, Number(HANDSHAKE_PAD_BYTES));
    this.next = end;
    this.bytes.giveUp(end);
    return bytes;
  }

  /** A proof leaves, to the peer's process with this boot ID. What others have verified is of no use now. */
  proofLeaves(to, end, hashKey) {
    this.proofs = [...this.proofs.filter((proof) => proof.to.equals(to)), { to, end, hashKey }];
  }

  /** The session hash key of the proof that the peer's process with this boot ID has verified last, or null. */
  provedKey(to, exactMark) {
    const last = this.proofs.findLastIndex((proof) => proof.to.equals(to) && proof.end <= exactMark);
    if (last < 0) return null;
    this.proofs = this.proofs.slice(last); // its mark on this pool never goes back
    return this.proofs[0].hashKey;
  }

  /** The peer has proved itself; it told this durable mark in M1 or M2 (section 1, A). */
  peerProved(toldDurable, ack) {
    this.acked = max(min(this.acked, toldDurable), ack);
  }

  /** Section 3: an ack in a frame that has verified. */
  takeAck(ack) {
    this.acked = max(this.acked, ack);
  }
}

/** The pool of the other side: its mark follows what has verified. */
export class PeerPool extends Pool {
  constructor(bytes, window, saved, save) {
    super(bytes, window, saved, save);
    this.mark = this.durable;
    this.told = this.durable; // T
    this.provedKey = null; // the session hash key of the proof that this process has verified last
  }

  /** The durable mark for M1 or M2: 48 above all that was told before (section 4). */
  tellAtHandshake() {
    this.makeDurable(max(this.mark, this.told + HANDSHAKE_PAD_BYTES));
    this.told = max(this.told, this.durable);
    return this.durable;
  }

  /** The ack of a frame that leaves now. */
  tell() {
    this.told = max(this.told, this.durable);
    return this.durable;
  }

  /** Whether a PING must tell the durable mark (section 2). */
  get mustTell() {
    return this.window !== null && this.durable - this.told >= this.window / 4n;
  }

  /** Steps 4 and 5 of frames.md, 4. */
  check(position, end) {
    if (position < this.mark) throw new ProtocolError("REPLAY", "below the mark");
    if (this.window !== null && end > this.told + this.window) throw new ProtocolError("WINDOW", "beyond the window");
    if (end > this.bytes.end) throw new ProtocolError("WINDOW", "beyond the bytes held");
  }

  /** The same for the proof at `start`: here the window bounds its beginning. */
  checkProof(start) {
    if (this.window !== null && start > this.told + this.window) throw new ProtocolError("WINDOW", "beyond the window");
    if (start < this.mark) throw new ProtocolError("REPLAY", "below the mark");
    if (start + HANDSHAKE_PAD_BYTES > this.bytes.end) throw new ProtocolError("WINDOW", "beyond the bytes held");
  }

  read(position, length) {
    return this.bytes.read(position, length);
  }

  /** What lies below was used or is burned. The durable mark runs ahead, within the bytes held. */
  moveTo(position) {
    this.mark = position;
    const ahead = this.window === null ? position : min(position + this.window / 8n, this.bytes.end);
    if (position > this.durable) this.makeDurable(max(position, ahead));
    this.bytes.giveUp(position);
  }

  /** Section 4, "a side that was left behind": true where the owner's `next` shows that this side was. */
  catchUp(ownersNext) {
    const wouldTell = max(this.mark, this.told + HANDSHAKE_PAD_BYTES);
    if (ownersNext <= wouldTell + this.window) return false;
    const told = min(ownersNext - this.window, this.bytes.end);
    this.makeDurable(told);
    this.told = max(this.told, told);
    return true;
  }
}

/**
 * S, where the proof of a side begins (section 4), or null where there is none.
 * `told`: what the peer has just told: { provedBoot, exactMark, durableMark }; `provedKey`: as proofHashKey has it.
 */
export function sessionStart({ next, bootId, window, provedKey }, told) {
  if (window === null) return next;
  const most = told.durableMark + window;
  if (next > most) return null;
  const proved = told.provedBoot.equals(bootId) && provedKey !== null;
  return proved && told.exactMark <= next && next + HANDSHAKE_PAD_BYTES <= most ? next : most;
}

/**
 * r of the proof at `start` (handshake.md, 2), or null where it is not known: where no frame ever was it lies in the
 * pool, in the proof's own `bytes`; else it is the session hash key of the same side's proof that was verified last,
 * `provedKey`, or null. `told`: the durable mark that its verifier has just told.
 */
export function proofHashKey({ start, window, bytes, provedKey }, told) {
  return start === (window === null ? 0n : told + window) ? bytes.subarray(0, 16) : provedKey;
}
