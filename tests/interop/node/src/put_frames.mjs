// Cutting a hub's shares into frames (messages.md, PUT_SHARES): several keys in one, or a large share in pieces.

import { concat } from "./bytes.mjs";
import { MAX_KEYS_PER_FRAME } from "./limits.mjs";

/**
 * Groups for PUT_SHARES of at most `budget` secret bytes: { group, completes }; `completes` are the shares that are
 * whole with this frame. `shares`: [{ keyId, share, codes }].
 */
export function* putFrames({ terms }, shares, budget) {
  const perKey = shares.length && shares[0].share.length + shares[0].codes.length;
  const atOnce = Math.min(Math.floor(budget / perKey), MAX_KEYS_PER_FRAME);
  if (atOnce < 1) {
    for (const share of shares) yield* pieces(terms, share, budget);
    return;
  }
  for (let i = 0; i < shares.length; i += atOnce) {
    const some = shares.slice(i, i + atOnce);
    yield {
      group: groupOf(
        terms,
        some,
        0,
        some.map(({ share }) => share),
      ),
      completes: some,
    };
  }
}

/** One share in pieces; the first brings the code shares. */
function* pieces(terms, one, budget) {
  for (let offset = 0; offset < one.share.length;) {
    const room = offset === 0 ? budget - one.codes.length : budget;
    const piece = one.share.subarray(offset, offset + room);
    const whole = offset + piece.length === one.share.length;
    yield { group: groupOf(terms, [one], offset, [piece]), completes: whole ? [one] : [] };
    offset += piece.length;
  }
}

const groupOf = (terms, shares, offset, bytes) => ({
  initiator: terms.initiator.encryptor,
  responders: terms.responders,
  n: terms.n,
  k: terms.k,
  keyBytes: terms.keyBytes,
  keyIds: shares.map(({ keyId }) => keyId),
  offset,
  shares: concat(...bytes),
  codes: offset === 0 ? concat(...shares.map(({ codes }) => codes)) : Buffer.alloc(0),
});
