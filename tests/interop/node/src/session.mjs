// One session with a hub, from M4 to the end of its connection: frames in both directions, requests and their answers,
// the window.

import { min } from "./bytes.mjs";
import { Disconnected, RequestFailed, rule } from "./errors.mjs";
import { accept, build, buildWrap, parse, poolBytes } from "./frames.mjs";
import { Code, MAX_FRAME_BYTES } from "./limits.mjs";
import { encodeBody, isSealed, Type } from "./messages.mjs";
import { Wrapping } from "./wrapping.mjs";

/** A hub that gives no answer for so long is given up. Longer than it may park what it does not know (timers.md). */
const ANSWER_MS = 10000;

export class Session {
  /** `greeted`: what greet() gave. */
  constructor(channel, greeted) {
    this.channel = channel;
    Object.assign(this, greeted);
    this.requests = new Map(); // those under way: by id { answered, failed }
    this.lastId = 0;
    this.turn = Promise.resolve(); // frames leave in the order in which they were given
    this.draining = false;
    this.ended = false;
    this.changed = () => {};
  }

  /** Secret bytes that one frame to the hub may have. */
  get budget() {
    return Math.min(this.maxPads, this.streams.own.mostPads);
  }

  /** Read until the connection ends, which it does by a Disconnected, or by a ProtocolError of the hub's. */
  async run() {
    try {
      if (this.inForce.wrapping) this.wrap();
      this.delivery?.refill(); // no PING: the first frame is REGISTER, and tells the mark as well
      for (;;) this.take(await this.channel.next(MAX_FRAME_BYTES));
    } catch (error) {
      this.end(error);
      throw error;
    }
  }

  end(error) {
    this.ended = true;
    this.channel.close();
    for (const { failed } of this.requests.values()) failed(new Disconnected(error.message));
    this.requests.clear();
    this.changed();
  }

  // --- from the hub ---

  take(raw) {
    if (isSealed(parse(raw).type) && this.delivery) this.delivery.take(raw);
    else this.act(accept(this.toClient, this.streams.peer, raw));
    this.afterFrame();
  }

  act({ type, requestId, ack, fields }) {
    this.streams.own.takeAck(ack);
    if ((type === Type.WRAP) !== this.wrapIsDue) throw rule("WRAP is missing here, or has no place here");
    const request = this.requests.get(requestId);
    if (type === Type.WRAP) this.channel.inbound = new Wrapping(fields.key);
    else if (type === Type.NAMES) this.tookNames(fields.names);
    else if (type === Type.ERROR && requestId === 0) this.draining ||= fields.code === Code.SHUTTING_DOWN;
    else if (request) this.answer(request, type, fields);
    if (type === Type.PING) this.tookEnds(fields);
  }

  /** Whether the hub's next tagged frame must be WRAP (wrapping.md, 2). */
  get wrapIsDue() {
    return this.inForce.wrapping && !this.channel.inbound;
  }

  tookNames(names) {
    if (!this.inForce.identifiers) throw rule("NAMES where local identifiers are not in force");
    this.toClient.names.define(names);
  }

  /** With PSRD on media: what both sides hold now. (Simulated bytes are the hub's before they are the client's.) */
  tookEnds({ clientEnd }) {
    const { own } = this.streams;
    if (own.window !== null) own.end = min(own.bytes.end, clientEnd);
  }

  /** An answer to no request under way is dropped before. */
  answer({ expected, answered, failed }, type, fields) {
    if (type === Type.ERROR) failed(new RequestFailed(`code ${fields.code}: ${fields.reason}`));
    else if (type !== expected || fields === null) failed(new RequestFailed(`an answer of type ${type}`));
    else answered(fields);
  }

  /** More room, perhaps; and what must be told or asked for at once. */
  afterFrame() {
    this.changed();
    this.delivery?.refill();
    if (this.streams.peer.mustTell) this.ping();
  }

  /** A PING that may use the last bytes of the window; none where even these are used up. */
  ping() {
    if (!this.streams.own.hasRoom(poolBytes(0), 0n)) return;
    this.leave(Type.PING, 0, this.pingFields([]));
  }

  pingFields(done) {
    const { own, peer } = this.streams;
    return { reply: false, clientEnd: own.bytes.end, hubEnd: peer.bytes.end, done };
  }

  // --- to the hub ---

  /** The first frame of a session that is wrapped; like PING it may use the last bytes of the window. */
  wrap() {
    const { raw, key } = buildWrap(this.toHub, this.streams.own, this.streams.peer.tell());
    this.channel.write(raw);
    this.channel.outbound = new Wrapping(key);
  }

  /** Send when the window and the pool have room for it, after all that was given before. */
  send(type, requestId, fields) {
    const sent = this.turn.then(() => this.whenRoom(type, requestId, fields));
    this.turn = sent.catch(() => {});
    return sent;
  }

  async whenRoom(type, requestId, fields) {
    const size = poolBytes(encodeBody(type, fields).secretBytes);
    while (!this.ended && !this.streams.own.hasRoom(size)) {
      this.delivery?.refill(2n * size);
      await new Promise((resolve) => (this.changed = resolve));
    }
    if (this.ended) throw new Disconnected("the session has ended");
    this.leave(type, requestId, fields);
    this.delivery?.refill();
  }

  leave(type, requestId, fields) {
    const ack = this.streams.peer.tell();
    this.channel.write(build(this.toHub, this.streams.own, { type, requestId, fields, ack }));
  }

  /**
   * The answer to a request, of type `expected`; or, with `answered`, nothing when that has said that it was answered
   * in full: it is called with every answer. RequestFailed if the hub answers with ERROR.
   */
  request(type, expected, fields, answered = null) {
    const id = this.newId();
    let timer = null;
    return new Promise((resolve, reject) => {
      const take = (answer) => {
        timer?.refresh();
        if (!answered || answered(answer)) resolve(answer);
      };
      this.requests.set(id, { expected, answered: take, failed: reject });
      this.send(type, id, fields).then(() => {
        timer = setTimeout(() => this.channel.close("the hub does not answer"), ANSWER_MS);
      }, reject);
    }).finally(() => {
      clearTimeout(timer);
      this.requests.delete(id);
    });
  }

  newId() {
    do this.lastId = (this.lastId % 0xffffffff) + 1;
    while (this.requests.has(this.lastId));
    return this.lastId;
  }
}
