// Making keys (keys.md, 3).

import { randomBytes } from "node:crypto";

import { clientsOf, deal, sortedParties } from "./dealing.mjs";
import { RequestFailed } from "./errors.mjs";
import { MAX_KEY_BYTES, MAX_KEYS_PER_FRAME, MAX_RESPONDERS } from "./limits.mjs";
import { within } from "./time.mjs";

const GRACE_MS = 50;

/** A version 4 UUID (RFC 9562). */
function newKeyId() {
  const id = randomBytes(16);
  id[6] = (id[6] & 0x0f) | 0x40;
  id[8] = (id[8] & 0x3f) | 0x80;
  return id;
}

/**
 * `number` new keys of `keyBytes` for a party and its responders: [{ keyId, key }]. `common`: the links of their common
 * hubs (keys.md, 1). RequestFailed where fewer than k of them acknowledge.
 */
export async function establish({ k, ttlMs, answerMs }, common, initiator, responders, keyBytes, number) {
  const parties = sortedParties(responders);
  check(parties, keyBytes, number);
  const ready = common.filter((link) => link.takesShares);
  if (ready.length < k) throw new RequestFailed(`${ready.length} common hubs take shares, and ${k} are needed`);
  const terms = { n: common.length, k, initiator, responders: parties, keyBytes };
  const keys = Array.from({ length: number }, () => ({ keyId: newKeyId(), key: randomBytes(keyBytes) }));
  const dealt = keys.map(({ keyId, key }) =>
    deal(
      terms,
      keyId,
      key,
      common.map((link) => link.hub.x),
    ),
  );
  const dealing = { terms, deadline: Date.now() + ttlMs };
  const puts = common.map((link, hub) => {
    const shares = keys.map(({ keyId }, which) => ({ keyId, ...dealt[which][hub] }));
    return { link, acknowledged: link.put(dealing, shares) };
  });
  await enough(puts, k, answerMs);
  return keys;
}

function check(parties, keyBytes, number) {
  if (parties.length < 1 || parties.length > MAX_RESPONDERS) throw new RequestFailed("1 to 32 responders are expected");
  if (!(keyBytes >= 1 && keyBytes <= MAX_KEY_BYTES)) throw new RequestFailed(`no key has ${keyBytes} bytes`);
  if (!(number >= 1 && number <= MAX_KEYS_PER_FRAME)) throw new RequestFailed(`no request is for ${number} keys`);
  if (!clientsOf(parties).every(Boolean)) throw new RequestFailed("a responder without a client");
}

/** When to answer (3.5). Returns with enough acknowledgements; what is under way goes on. */
async function enough(puts, k, answerMs) {
  const counted = puts.filter(({ link }) => link.takesShares && !link.late).length;
  const wanted = Math.max(k, Math.min(k + Math.floor((puts.length - k) / 2), counted));
  const state = new Tally(puts);
  await state.reaches(k, answerMs);
  if (state.good.size < k) throw new RequestFailed(`${state.good.size} hubs acknowledged, and ${k} are needed`);
  await state.reaches(wanted, GRACE_MS);
  const outOfTime = state.good.size < wanted;
  for (const { link } of puts)
    if (state.good.has(link)) link.late = false;
    else if (outOfTime && link.takesShares) link.late = true;
}

/** Who has acknowledged, of those who may. */
class Tally {
  constructor(puts) {
    this.good = new Set();
    this.open = puts.length;
    this.wake = () => {};
    for (const { link, acknowledged } of puts)
      acknowledged.then((whole) => {
        if (whole) this.good.add(link);
        this.open--;
        this.wake();
      });
  }

  /** Wait for `number` acknowledgements, until so many cannot come any more or so many milliseconds have gone. */
  async reaches(number, ms) {
    const deadline = Date.now() + ms;
    while (this.good.size < number && this.good.size + this.open >= number && Date.now() < deadline)
      await within(deadline - Date.now(), new Promise((resolve) => (this.wake = resolve)));
  }
}
