// Which keys this process has handed out, to whom, and rebuilt keys that others of its encryptors may still ask for
// (keys.md, 4.8).

import { hex } from "./bytes.mjs";
import { RequestFailed } from "./errors.mjs";

export class Delivered {
  constructor() {
    // By initiator's client, key ID and encryptor: until when it is remembered (ms since the epoch).
    this.taken = new Map();
    // By initiator's client and key ID: { key, until }.
    this.rebuilt = new Map();
  }

  /** Mark keys as handed out to an encryptor; RequestFailed, and nothing marked, if one was before. */
  take(client, keyIds, encryptor, until) {
    this.forget();
    const names = keyIds.map((keyId) => `${client} ${hex(keyId)} ${encryptor}`);
    if (names.some((name) => this.taken.has(name))) throw new RequestFailed("a key was handed out already");
    for (const name of names) this.taken.set(name, until);
    return () => names.forEach((name) => this.taken.delete(name));
  }

  /** Keep a rebuilt key for others whom it names: the hubs will not give its shares again. */
  keep(client, key, until) {
    this.rebuilt.set(`${client} ${hex(key.keyId)}`, { key, until });
  }

  kept(client, keyId) {
    return this.rebuilt.get(`${client} ${hex(keyId)}`)?.key;
  }

  forget() {
    const now = Date.now();
    for (const [name, until] of this.taken) if (until < now) this.taken.delete(name);
    for (const [name, { until }] of this.rebuilt) if (until < now) this.rebuilt.delete(name);
  }
}
