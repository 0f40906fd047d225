// A TCP connection as pieces: 4 bytes length, and what they count (frames.md, 1).

import { connect } from "node:net";

import { Disconnected, malformed } from "./errors.mjs";
import { MAX_WRAPPED_BYTES } from "./wrapping.mjs";

const PREFIX_BYTES = 4;
const KEEP_ALIVE_MS = 10000; // an idle session may be silent for ever; TCP notices a peer that has gone

export class Channel {
  constructor(socket) {
    this.socket = socket;
    this.parts = []; // what has come and was not taken yet
    this.size = 0;
    this.ended = null;
    this.costly = false; // whether what was said has cost bytes of the pools
    this.outbound = null; // the wrapping of each direction, once WRAP has gone that way
    this.inbound = null;
    this.wake = () => {};
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("data", (bytes) => this.arrived(bytes));
    socket.on("error", (error) => this.close(error.message));
    socket.on("close", () => this.close("the hub has closed the connection"));
  }

  /** A connection to a hub; Disconnected where there is none. */
  static open(host, port) {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port });
      const failed = (error) => reject(new Disconnected(error.message));
      socket.once("error", failed);
      socket.once("connect", () => {
        socket.off("error", failed);
        resolve(new Channel(socket));
      });
    });
  }

  arrived(bytes) {
    this.parts.push(bytes);
    this.size += bytes.length;
    this.wake();
  }

  /** What breaks a rule is answered with nothing but this. */
  close(why = "closed here") {
    this.ended ??= new Disconnected(why);
    this.socket.destroy();
    this.wake();
  }

  write(raw) {
    if (this.ended) throw this.ended;
    this.socket.write(this.outbound ? this.outbound.wrap(raw) : raw);
  }

  /** The next handshake message or frame, its length prefix included. */
  async next(most) {
    if (!this.inbound) return this.piece(most);
    return this.inbound.unwrap(await this.piece(MAX_WRAPPED_BYTES));
  }

  /** The next piece; one that counts 0 bytes or more than `most` is refused unread. */
  async piece(most) {
    await this.until(PREFIX_BYTES);
    const length = this.peek(PREFIX_BYTES).readUInt32BE(0);
    if (length < 1 || length > most) throw malformed(`a piece of ${length} bytes`);
    await this.until(PREFIX_BYTES + length);
    const piece = this.peek(PREFIX_BYTES + length);
    const rest = this.parts[0].subarray(piece.length);
    this.parts = rest.length ? [rest] : [];
    this.size = rest.length;
    return Buffer.from(piece);
  }

  async until(size) {
    while (this.size < size) {
      if (this.ended) throw this.ended;
      await new Promise((resolve) => (this.wake = resolve));
    }
  }

  peek(length) {
    if (this.parts.length > 1) this.parts = [Buffer.concat(this.parts)];
    return this.parts[0].subarray(0, length);
  }
}
