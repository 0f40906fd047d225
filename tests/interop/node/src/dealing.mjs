// Dealing a key to hubs, and rebuilding it from what they give (sharing.md, 6; keys.md, 4.6 and 5).

import { randomBytes } from "node:crypto";

import { concat, equal } from "./bytes.mjs";
import * as gf256 from "./gf256.mjs";
import * as gfp from "./gfp.mjs";
import { MAX_SUBSETS } from "./limits.mjs";
import { isLong, messageUnder, tagOf } from "./secret_tag.mjs";

/** Bytes of one code share: those of x, f and, for long keys, r. */
export const codeBytes = (keyBytes) => (isLong(keyBytes) ? 48 : 32);

const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The clients among parties, each once, in ascending order of the bytes of their names. */
export const clientsOf = (parties) => [...new Set(parties.map((party) => party.client))].sort(byBytes);

/** Parties in the order in which they stand in terms, each once (messages.md, PUT_SHARES). */
export function sortedParties(parties) {
  const sorted = [...parties].sort((a, b) => byBytes(a.client, b.client) || byBytes(a.encryptor, b.encryptor));
  return sorted.filter((party, i) => i === 0 || !sameParty(party, sorted[i - 1]));
}

export const sameParty = (a, b) => a.client === b.client && a.encryptor === b.encryptor;

/** For each x, { share, codes }: `codes` has one code share for each responder client, in their order. */
export function deal(terms, keyId, key, xs) {
  const shares = gf256.share(key, terms.k, xs);
  const codes = clientsOf(terms.responders).map(() => dealCode(terms, keyId, key, xs));
  return xs.map((_, hub) => ({ share: shares[hub], codes: concat(...codes.map((ofHubs) => ofHubs[hub])) }));
}

/** The code shares of one responder client, with an x and an r of its own. */
function dealCode(terms, keyId, key, xs) {
  const x = gfp.random();
  const r = isLong(terms.keyBytes) ? randomBytes(16) : null;
  const f = gfp.element(tagOf(messageUnder(terms, keyId, key, r), gfp.bytesOf(x)));
  const [ofX, ofF] = [x, f].map((secret) => gfp.share(secret, terms.k, xs).map(gfp.bytesOf));
  const ofR = r ? gf256.share(r, terms.k, xs) : xs.map(() => Buffer.alloc(0));
  return xs.map((_, hub) => concat(ofX[hub], ofF[hub], ofR[hub]));
}

/** Whether a hub's { share, code } can be a share at all: lengths, and elements below p. */
export function isShare(terms, { share, code }) {
  if (share.length !== terms.keyBytes || code.length !== codeBytes(terms.keyBytes)) return false;
  try {
    gfp.element(code.subarray(0, 16));
    gfp.element(code.subarray(16, 32));
    return true;
  } catch {
    return false;
  }
}

/** The value at `at` of what k of { x, share, code } lie on: { share, code } of a hub there, or at 0 the secrets. */
function valueAt(shares, at) {
  const xs = shares.map(({ x }) => x);
  const over256 = gf256.lagrange(xs, at);
  const overP = gfp.lagrange(xs, at);
  const part = (from, to) => shares.map(({ code }) => code.subarray(from, to));
  const inP = (parts) =>
    gfp.bytesOf(gfp.modulo(parts.reduce((sum, bytes, i) => sum + overP[i] * gfp.element(bytes), 0n)));
  return {
    share: gf256.combine(
      over256,
      shares.map(({ share }) => share),
    ),
    code: concat(inP(part(0, 16)), inP(part(16, 32)), gf256.combine(over256, part(32, 48))),
  };
}

/** The key that k shares give, or null where its secret tag fails. */
function tried(terms, keyId, shares) {
  const { share: key, code } = valueAt(shares, 0);
  const [x, f, r] = [code.subarray(0, 16), code.subarray(16, 32), code.subarray(32)];
  return equal(tagOf(messageUnder(terms, keyId, key, r), x), f) ? key : null;
}

/** All choices of `k` of `items`, the first k first. */
function* choices(items, k) {
  if (k === 0) return yield [];
  for (let i = 0; i + k <= items.length; i++)
    for (const rest of choices(items.slice(i + 1), k - 1)) yield [items[i], ...rest];
}

function numberOfChoices(m, k) {
  let number = 1;
  for (let i = 0; i < k; i++) number = (number * (m - i)) / (i + 1);
  return Math.round(number);
}

/** Candidates of keys.md, 4.6: the first k shares, and all subsets of k while there are not too many. */
const candidates = (shares, k) =>
  numberOfChoices(shares.length, k) <= MAX_SUBSETS ? choices(shares, k) : [shares.slice(0, k)];

/**
 * { key, dealing }, or null where no k of `shares` pass: [{ x, share, code }], all of one group, all of the right form.
 * `dealing` are the k that passed. Candidates in `failed` are not tried again, and those that fail are added to it.
 */
export function recover(terms, keyId, shares, failed = new Set()) {
  if (shares.length < terms.k) return null;
  for (const dealing of candidates(shares, terms.k)) {
    const name = dealing.map(({ x }) => x).join();
    if (failed.has(name)) continue;
    const key = tried(terms, keyId, dealing);
    if (key) return { key, dealing };
    failed.add(name);
  }
  return null;
}

/**
 * Whether a share is of the dealing that k others have given away. Told only of a key that has passed its secret tag:
 * before, no hub may be named (keys.md, 5).
 */
export function isOn(candidate, { x, share, code }) {
  const dealt = valueAt(candidate, x);
  return equal(dealt.share, share) && equal(dealt.code, code);
}
