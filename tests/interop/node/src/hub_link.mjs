// A hub as a client sees it over all sessions: connecting, registering, shares to bring, keys to confirm.

import { hex } from "./bytes.mjs";
import { Channel } from "./channel.mjs";
import { Disconnected, ProtocolError, Refused, RequestFailed } from "./errors.mjs";
import { greet } from "./greeting.mjs";
import { Code, MAX_KEYS_PER_FRAME } from "./limits.mjs";
import { Type } from "./messages.mjs";
import { putFrames } from "./put_frames.mjs";
import { Session } from "./session.mjs";
import { sleep } from "./time.mjs";

const HANDSHAKE_MS = 5000;
const REGISTER_AGAIN_MS = 5000;
const BACK_OFF_MS = { first: 100, cheap: 1000, costly: 60000 }; // the first one, and the longest

export class HubLink {
  /** `hub`: { name, host, port, x }; `me`: { client, bootId, encryptors }. */
  constructor(hub, pair, me, log) {
    this.hub = hub;
    this.pair = pair;
    this.me = me;
    this.log = (text) => log(`${hub.name}: ${text}`);
    this.session = null; // one that is registered, or null
    this.stopped = false;
    this.late = false; // keys.md, 3.5
    this.shareTimeoutMs = 0;
    this.unconfirmed = new Map(); // by "initiator key ID": { initiator, keyId }
    this.waiting = new Set();
    this.whenRegistered = () => {}; // with every session
  }

  get name() {
    return this.hub.name;
  }

  /** Whether it takes new shares: registered, and not draining. */
  get takesShares() {
    return this.session !== null && !this.session.draining;
  }

  // --- sessions, one after the other ---

  async run() {
    let waitMs = BACK_OFF_MS.first;
    while (!this.stopped) {
      const { good, costly } = await this.connectOnce();
      if (this.stopped) return;
      waitMs = good ? BACK_OFF_MS.first : Math.min(2 * waitMs, costly ? BACK_OFF_MS.costly : BACK_OFF_MS.cheap);
      await sleep(waitMs);
    }
  }

  /**
   * From a connection to its end. `good`: its session carried frames, and did not begin with an alarm; `costly`: it has
   * cost bytes of the pools (handshake.md, 3).
   */
  async connectOnce() {
    let channel = null;
    let good = false;
    try {
      this.pair.checkRoom(this.me.wrapping !== "off");
      channel = await Channel.open(this.hub.host, this.hub.port);
      this.channel = channel;
      const session = new Session(channel, await this.greeted(channel));
      const running = session.run();
      running.catch(() => {}); // looked at below
      await Promise.race([this.register(session), running]);
      good = !this.alarmed;
      await running;
    } catch (error) {
      this.ended(error);
    }
    channel?.close();
    this.session = null;
    return { good, costly: Boolean(channel?.costly) };
  }

  async greeted(channel) {
    const timer = setTimeout(() => channel.close("no handshake in time"), HANDSHAKE_MS);
    try {
      return await greet(channel, this.pair, this.me);
    } finally {
      clearTimeout(timer);
      this.alarmed = this.pair.alarm !== null;
      if (this.alarmed) this.log(`ALARM: ${this.pair.alarm}`);
      this.pair.alarm = null;
    }
  }

  ended(error) {
    const expected = [Disconnected, ProtocolError, Refused, RequestFailed].some((kind) => error instanceof kind);
    if (!this.stopped) this.log(expected ? error.message : error.stack);
  }

  /** The first message of a session (messages.md, REGISTER), and again after a while where the hub refuses the names. */
  async register(session) {
    for (;;) {
      const answer = await session.request(Type.REGISTER, Type.REGISTERED, { encryptors: this.me.encryptors });
      if (answer.code === Code.OK) return this.registered(session, answer);
      this.log(`code ${answer.code}: may not claim ${answer.refused.join(", ")}`);
      await sleep(REGISTER_AGAIN_MS);
    }
  }

  registered(session, { shareTimeoutMs }) {
    this.shareTimeoutMs = shareTimeoutMs;
    this.session = session;
    for (const wake of [...this.waiting]) wake();
    this.confirm();
    this.whenRegistered();
  }

  async stop() {
    this.stopped = true;
    const { session } = this;
    if (session) {
      await Promise.race([session.send(Type.UNREGISTER, 0, {}), sleep(500)]).catch(() => {});
      session.channel.socket.end();
    } else this.channel?.close();
  }

  // --- what needs a session ---

  /** A request on the session of now; Disconnected where there is none. */
  async ask(...request) {
    if (!this.session) throw new Disconnected(`${this.name} has no session`);
    return this.session.request(...request);
  }

  /** Whether `good` holds of this hub before `deadline` (ms since the epoch). */
  async until(good, deadline) {
    while (!good()) {
      const left = deadline - Date.now();
      if (left <= 0 || this.stopped) return false;
      await Promise.race([new Promise((resolve) => this.waiting.add(resolve)), sleep(Math.min(left, 100))]);
      this.waiting.clear();
    }
    return true;
  }

  /**
   * Bring the shares of a dealing (initiator.mjs), on as many sessions as it takes until its deadline: whether all its
   * keys were acknowledged. A retry has the same shares under new pads (keys.md, 3.3).
   */
  async put(dealing, shares) {
    let left = shares;
    while (await this.until(() => this.takesShares, dealing.deadline)) {
      const { session } = this;
      try {
        for (const frame of putFrames(dealing, left, session.budget)) {
          const result = await this.putOne(session, dealing, frame);
          if (result === "refused") return false;
          if (result === "later") break;
          left = left.filter((share) => !frame.completes.includes(share));
        }
      } catch (error) {
        if (error instanceof RequestFailed) return false;
        if (!(error instanceof Disconnected)) throw error;
      }
      if (!left.length) return true;
      await sleep(50);
    }
    return false;
  }

  /** "taken", "refused", or "later" where the hub drains. */
  async putOne(session, dealing, { group, completes }) {
    const ttlMs = Math.max(1, dealing.deadline - Date.now());
    const answer = await session.request(Type.PUT_SHARES, Type.PUT_SHARES_ACK, { groups: [{ ...group, ttlMs }] });
    const codes = [...answer.codes];
    const good = completes.length ? [Code.OK, Code.DONE] : [Code.OK, Code.DONE, Code.PARTIAL];
    if (codes.length !== group.keyIds.length) return "refused";
    if (codes.includes(Code.SHUTTING_DOWN)) {
      session.draining = true;
      return "later";
    }
    if (codes.every((code) => good.includes(code))) return "taken";
    this.log(`refused shares with codes ${[...new Set(codes)]}`);
    return "refused";
  }

  /** Tell the hub that these keys were rebuilt; again on later sessions until it has answered (keys.md, 4.9). */
  confirm(initiator = null, keyIds = []) {
    for (const keyId of keyIds) this.unconfirmed.set(`${initiator} ${hex(keyId)}`, { initiator, keyId });
    if (!this.session || !this.unconfirmed.size) return;
    const some = [...this.unconfirmed].slice(0, MAX_KEYS_PER_FRAME);
    const fields = this.session.pingFields(confirmations(some.map(([, one]) => one)));
    this.ask(Type.PING, Type.PING, fields).then(
      () => some.forEach(([name]) => this.unconfirmed.delete(name)),
      () => {}, // told again with the next session
    );
  }
}

/** `done` of a PING: key IDs by initiator. */
function confirmations(keys) {
  const initiators = [...new Set(keys.map(({ initiator }) => initiator))];
  return initiators.map((initiator) => ({
    initiator,
    keyIds: keys.filter((one) => one.initiator === initiator).map(({ keyId }) => keyId),
  }));
}
