// What a client keeps of one hub over all its connections: the gate key, both pools, and who proved itself last.

import { u64 } from "./bytes.mjs";
import { Disconnected, Refused, rule } from "./errors.mjs";
import { Flag, OWN_NEXT, ZEROS } from "./handshake.mjs";
import { Code, HANDSHAKE_PAD_BYTES, MAX_FRAME_PAD_BYTES, SIMULATED_MIN_POOL_BYTES } from "./limits.mjs";
import { Bytes, OwnPool, PeerPool } from "./pools.mjs";

/** Both pools of a pair, with the identities of their streams. `sequence`: numbers of the next blocks, by owner. */
export class Streams {
  constructor(clientStream, hubStream, own, peer) {
    this.clientStream = clientStream;
    this.hubStream = hubStream;
    this.own = own;
    this.peer = peer;
    this.sequence = [0, 0];
  }

  /** Simulated ones that begin anew, of the identities that M2 tells (pools.md, 5). */
  static begun({ clientStream, hubStream }) {
    return new Streams(clientStream, hubStream, new OwnPool(new Bytes()), new PeerPool(new Bytes()));
  }

  unused() {
    return [this.own.bytes.end - this.own.next, this.peer.bytes.end - this.peer.mark];
  }

  /** Whether each pool holds what a handshake of a simulated pair needs. */
  get suffice() {
    return this.unused().every((bytes) => bytes >= SIMULATED_MIN_POOL_BYTES);
  }
}

export class Pair {
  /** `media`: the streams of PSRD on media with their gate key (store.mjs), or null where PSRD is simulated. */
  constructor(hub, gateKey, media = null) {
    this.hub = hub;
    this.gateKey = gateKey;
    this.simulated = media === null;
    this.streams = media;
    this.window = media && media.own.window;
    this.provedBoot = ZEROS;
    this.justStarted = true;
    this.alarm = null; // what an operator must be told: the state here or there was restored or cloned
  }

  /** With PSRD on media, whether both pools hold what a start needs: else it is no use to dial. */
  checkRoom(wrapping) {
    const need = HANDSHAKE_PAD_BYTES * (wrapping ? 2n : 1n);
    if (!this.simulated && this.streams.unused().some((bytes) => bytes < need))
      throw new Disconnected("a pool is used up: new blocks must be delivered");
  }

  /** The fields of M1 that tell what this side holds, and the additions that it offers. */
  introduction(offers) {
    const begin = this.simulated && (this.streams === null || !this.streams.suffice);
    const flags =
      (this.justStarted ? Flag.JUST_STARTED : 0) |
      (this.simulated ? Flag.SIMULATED : 0) |
      (begin ? Flag.BEGIN_ANEW : 0);
    const next = this.simulated ? [] : [[OWN_NEXT, u64(this.streams.own.next)]];
    const optional = new Map([...next, ...offers]);
    return { provedBoot: this.provedBoot, flags, holdings: this.holdings(), maxPads: MAX_FRAME_PAD_BYTES, optional };
  }

  holdings() {
    if (this.streams === null)
      return { clientStream: ZEROS, hubStream: ZEROS, clientEnd: 0n, hubEnd: 0n, exactMark: 0n, durableMark: 0n };
    const { clientStream, hubStream, own, peer } = this.streams;
    const durableMark = peer.tellAtHandshake();
    return {
      clientStream,
      hubStream,
      clientEnd: own.bytes.end,
      hubEnd: peer.bytes.end,
      exactMark: peer.mark,
      durableMark,
    };
  }

  /** The streams of this session, after M2 (handshake.md, 3). Throws where there can be no session. */
  heed(m2) {
    if (m2.version !== 1) throw rule("another version");
    if (m2.code !== Code.OK) this.refused(m2);
    if (Boolean(m2.flags & Flag.SIMULATED) !== this.simulated) throw rule("only one side simulates PSRD");
    if (m2.flags & Flag.BEGIN_ANEW) {
      if (!this.simulated) throw rule("streams on media never begin anew by themselves");
      return Streams.begun(m2.holdings);
    }
    const { clientStream, hubStream, own } = this.streams ?? this.nothingHeld();
    const same = m2.holdings.clientStream.equals(clientStream) && m2.holdings.hubStream.equals(hubStream);
    if (!same) throw rule("other streams");
    if (m2.holdings.exactMark > own.next && !(m2.flags & Flag.JUST_STARTED)) this.restored();
    if (this.simulated && own.provedKey(m2.bootId, m2.holdings.exactMark) === null) this.unproved();
    return this.streams;
  }

  nothingHeld() {
    throw rule("streams go on that are not here");
  }

  refused({ code, reason, optional }) {
    if (code === Code.REWIND && !this.simulated && optional.has(OWN_NEXT)) {
      const left = this.streams.peer.catchUp(Buffer.from(optional.get(OWN_NEXT)).readBigUInt64BE());
      if (left) this.alarm = "left behind by more than a window: this state was restored";
    }
    throw new Refused(code, reason);
  }

  /** The hub has seen more of the client pool used than this process knows of (pools.md, 4 and 5). */
  restored() {
    this.alarm = "the hub knows of more used bytes: this state was restored or cloned";
    if (!this.simulated) return; // it begins behind all that was used
    this.streams = null;
    throw new Disconnected(this.alarm);
  }

  /** Simulated streams on which nothing is left to prove oneself with (handshake.md, 2). */
  unproved() {
    this.streams = null;
    throw new Disconnected("no proof is known here that the hub has verified: streams must begin anew");
  }

  /** M3 is about to leave, to a process of the hub with this boot ID: another one may prove itself now. */
  proofLeaves(bootId) {
    if (this.provedBoot.equals(bootId)) return;
    this.provedBoot = ZEROS;
    if (this.simulated) this.streams = null; // their M4 could not be checked any more
    else this.streams.peer.provedKey = null;
  }

  /** M4 has verified. */
  proved(bootId, streams) {
    this.provedBoot = bootId;
    this.justStarted = false;
    this.streams = streams;
  }
}
