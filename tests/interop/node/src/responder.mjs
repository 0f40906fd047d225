// Rebuilding keys (keys.md, 4).

import { hex } from "./bytes.mjs";
import { clientsOf, codeBytes, isOn, isShare, recover, sameParty, sortedParties } from "./dealing.mjs";
import { Disconnected, RequestFailed } from "./errors.mjs";
import { Code, MAX_KEYS_PER_FRAME } from "./limits.mjs";
import { Type } from "./messages.mjs";
import { sleep, within } from "./time.mjs";

const PARK_MS = 500;
const BACK_OFF_MS = { first: 20, most: 250 };
const FINAL = new Set([Code.NOT_NAMED, Code.DONE, Code.DELIVERED]);

/** Whether terms that a hub gives may be of a key for this client (4.4; ranges are checked with the body). */
function acceptable({ n, k, responders }, ownK, client) {
  const sorted = sortedParties(responders);
  const inOrder = sorted.length === responders.length && sorted.every((party, i) => sameParty(party, responders[i]));
  return k >= 2 && k <= n && k >= ownK && inOrder && clientsOf(responders).includes(client);
}

/** All that the hubs have given of one key. */
class Gathered {
  constructor(keyId) {
    this.keyId = keyId;
    this.groups = new Map(); // shares of identical terms (4.5): { terms, shares, failed }
    this.from = new Map(); // hubs that have given one, of whatever kind, with their x: the first one stands (4.3)
    this.begun = new Map(); // by hub: a share of which pieces are here
    this.last = new Map(); // by hub: its last code for this key
    this.found = null; // { key, dealing, terms }
  }

  /** A whole share of a hub, under acceptable terms; null in place of one that is none. */
  take(link, terms, share) {
    this.begun.delete(link.name);
    if (this.from.has(link.name)) return;
    this.from.set(link.name, link.hub.x);
    if (share === null || !isShare(terms, share)) return;
    const group = this.groupOf(terms);
    group.shares.push({ x: link.hub.x, ...share });
    if (this.found) return;
    const found = recover(terms, this.keyId, group.shares, group.failed);
    if (found) this.found = { ...found, terms };
  }

  /** Shares under terms that break a rule are dropped (4.4). */
  drop(link) {
    this.begun.delete(link.name);
    if (!this.from.has(link.name)) this.from.set(link.name, link.hub.x);
  }

  groupOf(terms) {
    const name = JSON.stringify(terms);
    if (!this.groups.has(name)) this.groups.set(name, { terms, shares: [], failed: new Set() });
    return this.groups.get(name);
  }

  /** The key; or why there is none. */
  get key() {
    if (this.found) return this.found.key;
    const enough = [...this.groups.values()].some(({ terms, shares }) => shares.length >= terms.k);
    const reason = `key ${hex(this.keyId)} was not rebuilt; hubs say ${JSON.stringify([...this.last])}`;
    throw new RequestFailed(reason, enough ? "RECONSTRUCTION" : "UNKNOWN_KEY");
  }

  /** Of a key that was found: the x-coordinates of hubs that gave anything but a share of its dealing (section 5). */
  get wrong() {
    const { terms, dealing } = this.found;
    const right = this.groupOf(terms)
      .shares.filter((share) => isOn(dealing, share))
      .map(({ x }) => x);
    return [...this.from.values()].filter((x) => !right.includes(x)).sort((a, b) => a - b);
  }

  /** A piece of a large share. True when the share is whole, or when there can be none. */
  takePiece(link, terms, { offset, shares, codes }) {
    const have = this.begun.get(link.name) ?? { terms, parts: [], bytes: 0, code: codes };
    const follows = offset === have.bytes && shares.length > 0 && JSON.stringify(terms) === JSON.stringify(have.terms);
    if (!follows) {
      this.take(link, terms, null);
      return true;
    }
    this.begun.set(link.name, { ...have, parts: [...have.parts, shares], bytes: have.bytes + shares.length });
    if (have.bytes + shares.length < terms.keyBytes) return false;
    this.take(link, terms, { share: Buffer.concat([...have.parts, shares]), code: have.code });
    return true;
  }

  /** From where on this hub's share is wanted. */
  offset(link) {
    return this.begun.get(link.name)?.bytes ?? 0;
  }

  /** Whether this hub may still help. */
  isOpen(link) {
    return !this.found && !this.from.has(link.name) && !FINAL.has(this.last.get(link.name));
  }
}

/**
 * What hubs give of the keys with these IDs of an initiator's client: [{ keyId, key, wrong, terms }], in their order;
 * or RequestFailed unless all come in time. The last checks before a key leaves are rightful()'s.
 */
export async function gather({ k, deadlineMs }, client, links, initiator, keyIds) {
  const search = new Search(k, client, links, initiator, keyIds, Date.now() + deadlineMs);
  await search.run();
  return search.result();
}

/** 4.7: both parties are those that the secret tag has covered. */
export function rightful({ keyId, terms }, initiator, responder) {
  if (!sameParty(terms.initiator, initiator)) throw new RequestFailed(`unknown key ${hex(keyId)}`, "UNKNOWN_KEY");
  if (!terms.responders.some((party) => sameParty(party, responder)))
    throw new RequestFailed(`key ${hex(keyId)} does not name ${responder.encryptor}`, "NOT_NAMED");
}

/** The search for some keys of one initiator's client. */
export class Search {
  constructor(k, client, links, initiator, keyIds, deadline) {
    Object.assign(this, { k, client, links, initiator, deadline });
    this.keys = new Map(keyIds.map((keyId) => [hex(keyId), new Gathered(keyId)]));
    this.over = false;
    this.finish = () => {};
  }

  result() {
    return [...this.keys.values()].map((one) => {
      const { keyId, key } = one;
      return { keyId, key, wrong: one.wrong, terms: one.found.terms };
    });
  }

  /** Ask all hubs at once, until all keys are there or the time is out. */
  async run() {
    const found = new Promise((resolve) => (this.finish = resolve));
    const asking = Promise.all(this.links.map((link) => this.askHub(link)));
    await within(this.deadline - Date.now(), Promise.race([found, asking]));
    this.over = true;
  }

  /** UNKNOWN_KEY is not final: ask again, with back-off (4.2). */
  async askHub(link) {
    let waitMs = BACK_OFF_MS.first;
    while (!this.over && Date.now() < this.deadline) {
      const open = [...this.keys.values()].filter((one) => one.isOpen(link));
      if (!open.length) return;
      try {
        await this.askOnce(link, open.slice(0, MAX_KEYS_PER_FRAME));
      } catch (error) {
        if (!(error instanceof Disconnected || error instanceof RequestFailed)) throw error;
      }
      await sleep(waitMs);
      waitMs = Math.min(2 * waitMs, BACK_OFF_MS.most);
    }
  }

  /** One GET_SHARES and all its answers. */
  askOnce(link, open) {
    const unanswered = new Set(open.map(({ keyId }) => hex(keyId)));
    const waitMs = Math.max(0, Math.min(PARK_MS, this.deadline - Date.now()));
    return link.ask(Type.GET_SHARES, Type.SHARES, { groups: this.groups(link, open), waitMs, done: [] }, (shares) => {
      this.take(link, shares, unanswered);
      return unanswered.size === 0;
    });
  }

  /** A SHARES of this hub; keys that it answers leave `unanswered`, others do not count. */
  take(link, { groups, missing }, unanswered) {
    for (const group of groups) this.takeGroup(link, group, unanswered);
    for (const one of missing) this.missing(link, one, unanswered);
    if ([...this.keys.values()].every(({ found }) => found)) this.finish();
  }

  /** Whole shares in one group; each of which pieces are here in a group of its own, from where they end. */
  groups(link, open) {
    const { initiator } = this;
    const whole = open.filter((one) => one.offset(link) === 0).map(({ keyId }) => keyId);
    const begun = open.filter((one) => one.offset(link) > 0);
    return [
      ...(whole.length ? [{ initiator, keyIds: whole, offset: 0 }] : []),
      ...begun.map((one) => ({ initiator, keyIds: [one.keyId], offset: one.offset(link) })),
    ];
  }

  missing(link, { initiator, code, keyIds }, unanswered) {
    if (initiator !== this.initiator) return;
    for (const id of keyIds.map(hex)) {
      if (!unanswered.delete(id)) continue;
      const one = this.keys.get(id);
      one.last.set(link.name, code);
      if (code === Code.BAD_REQUEST) one.begun.delete(link.name); // again from offset 0 (specification.md, 5)
    }
  }

  /** A share group: whole shares of several keys, or a piece of one. */
  takeGroup(link, group, unanswered) {
    const { initiator, responders, n, k, keyBytes, keyIds, shares } = group;
    if (initiator.client !== this.initiator) return;
    const terms = { n, k, initiator, responders, keyBytes };
    const [first] = keyIds.map(hex);
    if (!acceptable(terms, this.k, this.client)) this.drop(link, keyIds, unanswered);
    else if (keyIds.length > 1 || shares.length >= keyBytes) this.takeColumns(link, terms, group, unanswered);
    else if (unanswered.has(first) && this.keys.get(first).takePiece(link, terms, group)) unanswered.delete(first);
  }

  drop(link, keyIds, unanswered) {
    for (const id of keyIds.map(hex)) if (unanswered.delete(id)) this.keys.get(id).drop(link);
  }

  takeColumns(link, terms, { keyIds, offset, shares, codes }, unanswered) {
    const [ofShares, ofCodes] = [terms.keyBytes, codeBytes(terms.keyBytes)];
    const lengths = shares.length === keyIds.length * ofShares && codes.length === keyIds.length * ofCodes;
    keyIds.forEach((keyId, i) => {
      if (!unanswered.delete(hex(keyId))) return;
      const share = { share: column(shares, i, ofShares), code: column(codes, i, ofCodes) };
      this.keys.get(hex(keyId)).take(link, terms, lengths && offset === 0 ? share : null);
    });
  }
}

const column = (bytes, which, length) => bytes.subarray(which * length, (which + 1) * length);
