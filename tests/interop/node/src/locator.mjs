// Which client serves an encryptor, and over which hubs it is reached (keys.md, 1).

import { RequestFailed } from "./errors.mjs";
import { MAX_KEYS_PER_FRAME } from "./limits.mjs";
import { Type } from "./messages.mjs";
import { within } from "./time.mjs";

const KEPT_MS = 30000;
const ANEW_MS = { first: 1000, most: 15000 }; // after so long hubs are asked anew, if the encryptor is in use
const OTHERS_MS = 50;
const DEADLINE_MS = 1000;

/** What is known of an encryptor: the accepted name, and what hubs have said beside it. */
class Place {
  constructor(client, links, now) {
    this.client = client;
    this.strangers = new Set();
    this.unheard = new Set(links); // those that have never answered
    this.until = now + KEPT_MS;
    this.anewMs = ANEW_MS.first; // how long strangers are believed
    this.anewAt = now + ANEW_MS.most;
    this.believedUntil = Infinity; // what strangers have said
  }

  /** The same name was accepted as before: what hubs said then stands, but of those that are in doubt (rules 4, 5). */
  inherit(before, doubtful, now) {
    this.strangers = new Set([...before.strangers].filter((link) => !doubtful.has(link)));
    this.unheard = new Set([...before.unheard, ...doubtful]);
    this.anewMs = Math.min(2 * before.anewMs, ANEW_MS.most);
    if (this.strangers.size) this.believeStrangers(now);
  }

  said(link, name, now) {
    this.unheard.delete(link);
    if (name === this.client) {
      this.strangers.delete(link);
      return;
    }
    if (!this.strangers.size) this.believedUntil = Infinity;
    if (!this.strangers.has(link)) this.anewMs = ANEW_MS.first;
    this.strangers.add(link);
    this.believeStrangers(now);
  }

  believeStrangers(now) {
    this.anewAt = Math.min(this.anewAt, now + this.anewMs);
    this.believedUntil = Math.min(this.believedUntil, now + 2 * this.anewMs);
  }

  /** All hubs are asked anew: not at once again where no k of them say alike. */
  askedAnew(now) {
    this.anewAt = now + ANEW_MS.first;
    this.believedUntil = this.anewAt + this.anewMs;
  }

  /** Whether a request must not rely on it: it is too old, or strangers have not been asked anew for want of use. */
  isStale(now) {
    return now >= this.until || (this.strangers.size > 0 && now >= this.believedUntil);
  }
}

export class Locator {
  constructor(k, me, links, clock = Date.now) {
    Object.assign(this, { k, me, links, clock });
    this.kept = new Map(); // by encryptor: its Place
    this.asking = new Map(); // by encryptor: the question under way, a promise of its Place
    for (const link of links) link.whenRegistered = () => this.askUnheard(link);
  }

  /** { client, common }: the name that at least k hubs say alike, and the links of the common hubs. */
  async locate(encryptor) {
    if (this.me.encryptors.includes(encryptor)) return { client: this.me.client, common: this.links };
    let place = this.kept.get(encryptor);
    if (!place || place.isStale(this.clock())) place = await this.ask(encryptor);
    else if (this.clock() >= place.anewAt) {
      place.askedAnew(this.clock());
      this.ask(encryptor).catch(() => {}); // nobody waits; where no k say alike nothing changes
    }
    return { client: place.client, common: this.links.filter((link) => !place.strangers.has(link)) };
  }

  /** The question that is under way, or a new one. RequestFailed where no k hubs say one name. */
  ask(encryptor) {
    if (!this.asking.has(encryptor)) {
      const place = this.askAll(encryptor).finally(() => this.asking.delete(encryptor));
      this.asking.set(encryptor, place);
    }
    return this.asking.get(encryptor);
  }

  async askAll(encryptor) {
    const said = new Map(); // by link: a client's name, or null
    let agreed = () => {};
    let place = null;
    const alike = new Promise((resolve) => (agreed = resolve));
    const take = (link, name) => {
      said.set(link, name);
      if (place) place.said(link, name, this.clock());
      else if (this.accepted(said)) agreed();
    };
    const asked = new Map(
      this.links.filter((link) => link.session).map((link) => [link, this.askLink(link, [encryptor], take)]),
    );
    await within(DEADLINE_MS, Promise.race([alike, Promise.all(asked.values())]));
    const punctual = [...asked].filter(([link]) => !link.late).map(([, answered]) => answered);
    await within(OTHERS_MS, Promise.all(punctual));
    const client = this.accepted(said);
    if (!client) throw new RequestFailed(`no ${this.k} hubs name the same client of ${encryptor}`);
    place = this.remember(encryptor, client, said, new Set(asked.keys()));
    return place;
  }

  /** What one hub says of encryptors: take(link, name, encryptor) each. A hub that does not answer may be down. */
  async askLink(link, encryptors, take) {
    try {
      const { clients } = await link.ask(Type.LOCATE, Type.LOCATED, { encryptors });
      if (clients.length !== encryptors.length) return;
      encryptors.forEach((encryptor, i) => take(link, clients[i], encryptor));
    } catch {
      // it is asked again with the next question, or when it has a session again
    }
  }

  remember(encryptor, client, said, asked) {
    const now = this.clock();
    const before = this.kept.get(encryptor);
    const place = new Place(client, this.links, now);
    if (before?.client === client) {
      const doubtful = before.isStale(now) ? [...before.strangers].filter((link) => asked.has(link)) : [];
      place.inherit(before, new Set(doubtful), now);
    }
    for (const [link, name] of said) place.said(link, name, now);
    this.kept.set(encryptor, place);
    return place;
  }

  /** A hub has a session: it is asked of encryptors of which it has never said anything (rule 5). */
  askUnheard(link) {
    const now = this.clock();
    const names = [...this.kept].filter(([, place]) => place.unheard.has(link) && now < place.until);
    const take = (_, name, encryptor) => this.kept.get(encryptor).said(link, name, this.clock());
    for (let i = 0; i < names.length; i += MAX_KEYS_PER_FRAME) {
      const some = names.slice(i, i + MAX_KEYS_PER_FRAME).map(([encryptor]) => encryptor);
      this.askLink(link, some, take);
    }
  }

  /** The name that at least k hubs have said, or undefined. */
  accepted(said) {
    const names = [...said.values()].filter((name) => name !== null);
    return names.find((name) => names.filter((other) => other === name).length >= this.k);
  }
}
