// A DSKE client: its hubs, and what encryptors ask of it.

import { randomBytes } from "node:crypto";

import { offered } from "./additions.mjs";
import { Delivered } from "./delivered.mjs";
import { RequestFailed } from "./errors.mjs";
import { HubLink } from "./hub_link.mjs";
import { establish } from "./initiator.mjs";
import { Locator } from "./locator.mjs";
import { Pair } from "./pair.mjs";
import { gather, rightful } from "./responder.mjs";

const DEFAULTS = { ttlMs: 60000, answerMs: 800, deadlineMs: 1000, wrapping: "off" };

export class Client {
  /**
   * `config`: { client, encryptors, k, hubs: [{ name, host, port, x }] } and any of DEFAULTS. `pairOf(hub)`: what is
   * provisioned for a hub, a Pair.
   */
  constructor(config, pairOf, log) {
    this.config = { ...DEFAULTS, ...config };
    const { client, encryptors, wrapping } = this.config;
    this.me = { client, encryptors, wrapping, offers: offered(wrapping), bootId: randomBytes(16) };
    this.links = config.hubs.map((hub) => new HubLink(hub, pairOf(hub), this.me, log));
    this.locator = new Locator(config.k, this.me, this.links);
    this.delivered = new Delivered();
  }

  start() {
    this.running = Promise.all(this.links.map((link) => link.run()));
  }

  async stop() {
    await Promise.all(this.links.map((link) => link.stop()));
  }

  /** Whether so many hubs are registered within so many milliseconds. */
  async ready(hubs, ms) {
    const deadline = Date.now() + ms;
    const there = () => this.links.filter((link) => link.session).length >= hubs;
    return this.links[0].until(there, deadline);
  }

  own(encryptor) {
    if (!this.me.encryptors.includes(encryptor)) throw new RequestFailed(`${encryptor} is served by another client`);
    return { client: this.me.client, encryptor };
  }

  /** New keys from one of its own encryptors to others: [{ keyId, key }]. */
  async getKeys(initiator, responders, keyBytes, number) {
    const own = this.own(initiator);
    const located = await Promise.all(responders.map((encryptor) => this.locator.locate(encryptor)));
    const parties = responders.map((encryptor, i) => ({ client: located[i].client, encryptor }));
    const common = this.links.filter((link) => located.every((one) => one.common.includes(link)));
    return establish(this.config, common, own, parties, keyBytes, number);
  }

  /** Keys that another encryptor has established, by their IDs: [{ keyId, key, wrong }], all of them or none. */
  async getKeysById(responder, initiator, keyIds) {
    const own = this.own(responder);
    const { client } = await this.locator.locate(initiator);
    const undo = this.delivered.take(client, keyIds, responder, this.forgottenAt);
    try {
      const keys = await this.rebuild(client, keyIds);
      for (const key of keys) rightful(key, { client, encryptor: initiator }, own);
      return keys;
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** From what was rebuilt before, or from the hubs, who are told that it is here. */
  async rebuild(client, keyIds) {
    const absent = keyIds.filter((keyId) => !this.delivered.kept(client, keyId));
    const keys = await gather(this.config, this.me.client, this.links, client, absent);
    for (const key of keys) this.delivered.keep(client, key, this.forgottenAt);
    for (const link of this.links) link.confirm(client, absent);
    return keyIds.map((keyId) => this.delivered.kept(client, keyId));
  }

  /** Until then hubs may hold shares of a key that is handed out now: fewer than k of them lie (keys.md, 4.8). */
  get forgottenAt() {
    const told = this.links.map((link) => link.shareTimeoutMs).sort((a, b) => b - a);
    return Date.now() + Math.max(this.config.ttlMs, told[this.config.k - 1] ?? 0);
  }

  status() {
    return this.links.map(({ name, session, late, pair }) => ({
      hub: name,
      registered: session !== null,
      draining: Boolean(session?.draining),
      wrapped: Boolean(session?.inForce.wrapping),
      identifiers: session?.toClient.names.names?.size ?? 0,
      late,
      next: String(pair.streams?.own.next ?? 0n),
      mark: String(pair.streams?.peer.mark ?? 0n),
    }));
  }
}
