// Additions to version 1, which M1 and M2 agree on (specification.md, 6).

import { rule } from "./errors.mjs";

export const Addition = Object.freeze({ WRAPPING: 2, LOCAL_IDENTIFIERS: 3 });

const CHACHA20_POLY1305 = 1; // the one cipher of wrapping.md
const MAX_OFFERED_CIPHERS = 16;
const NOTHING = Buffer.alloc(0);

/** What M1 offers. `wrapping`: "off", "on" or "required". */
export function offered(wrapping) {
  const offers = new Map([[Addition.LOCAL_IDENTIFIERS, NOTHING]]);
  if (wrapping === "off") return offers;
  return new Map([[Addition.WRAPPING, Buffer.of(CHACHA20_POLY1305)], ...offers]);
}

/** Whether the values of the known additions are of the right form, in M1 ("C") or M2 ("H"). */
export function checkValues(optional, direction) {
  const ciphers = optional.get(Addition.WRAPPING);
  const most = direction === "C" ? MAX_OFFERED_CIPHERS : 1;
  if (ciphers && (ciphers.length < 1 || ciphers.length > most)) throw rule("a list of ciphers of a wrong length");
  if (optional.get(Addition.LOCAL_IDENTIFIERS)?.length) throw rule("an addition without a value has one");
}

/** What is in force after an M2 with OK: { wrapping, identifiers }, booleans. */
export function agreed(offers, answered, wrapping) {
  for (const number of Object.values(Addition))
    if (answered.has(number) && !offers.has(number)) throw rule("M2 names an addition that M1 did not");
  const cipher = answered.get(Addition.WRAPPING);
  if (cipher && cipher[0] !== CHACHA20_POLY1305) throw rule("a cipher that was not offered");
  if (!cipher && wrapping === "required") throw rule("the hub does not wrap, and this client requires it");
  return { wrapping: Boolean(cipher), identifiers: answered.has(Addition.LOCAL_IDENTIFIERS) };
}
