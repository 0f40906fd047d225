// shamir.json, gfp.json, secret_tags.json, dealings.json.

import assert from "node:assert/strict";

import { concat, hex, unhex } from "../bytes.mjs";
import { clientsOf, codeBytes, deal, isOn, isShare, recover, sortedParties } from "../dealing.mjs";
import * as gf256 from "../gf256.mjs";
import * as gfp from "../gfp.mjs";
import { blocksOf, hashOf, messageUnder, tagOf } from "../secret_tag.mjs";
import { termsOf } from "./json.mjs";

export function* shamir({ products, inverses, sharings }) {
  for (const [a, b, product] of products) yield [`${a} * ${b}`, () => assert.equal(gf256.multiply(a, b), product)];
  for (const [a, inverse] of inverses) yield [`1 / ${a}`, () => assert.equal(gf256.inverse(a), inverse)];
  for (const sharing of sharings)
    yield [
      `${sharing.k} of ${sharing.n}`,
      () => {
        const [secret, ...coefficients] = [sharing.secret, ...sharing.coefficients].map(unhex);
        const shares = gf256.evaluate(secret, coefficients, sharing.xs);
        assert.deepEqual(shares.map(hex), sharing.shares);
        for (const { xs, lagrange_at_0: factors } of sharing.subsets) {
          assert.deepEqual(gf256.lagrange(xs), factors);
          assert.deepEqual(gf256.rebuild(xs, chosen(sharing.xs, shares, xs)), secret);
        }
      },
    ];
}

const chosen = (all, shares, xs) => xs.map((x) => shares[all.indexOf(x)]);

export function* overP({ sharings, elements, refused }) {
  for (const sharing of sharings)
    yield [
      `${sharing.k} of ${sharing.n}`,
      () => {
        const halves = (text) => [text.slice(0, 32), text.slice(32)].map((part) => gfp.element(unhex(part)));
        const together = (values) => values.map((value) => hex(gfp.bytesOf(value))).join("");
        const polynomials = [sharing.secret, ...sharing.coefficients].map(halves);
        const shares = [0, 1].map((half) =>
          gfp.evaluate(
            polynomials.map((one) => one[half]),
            sharing.xs,
          ),
        );
        assert.deepEqual(
          sharing.xs.map((_, i) => together([shares[0][i], shares[1][i]])),
          sharing.shares,
        );
        for (const { xs, lagrange_at_0: factors } of sharing.subsets) {
          assert.deepEqual(gfp.lagrange(xs), factors.map(factorOf));
          const rebuilt = shares.map((half) => gfp.rebuild(xs, chosen(sharing.xs, half, xs)));
          assert.equal(together(rebuilt), sharing.secret);
        }
      },
    ];
  for (const one of elements) yield [one, () => assert.equal(hex(gfp.bytesOf(gfp.element(unhex(one)))), one)];
  for (const one of refused) yield [`refused: ${one}`, () => assert.throws(() => gfp.element(unhex(one)))];
}

/** Small ones stand as numbers. */
const factorOf = (factor) => (typeof factor === "number" ? BigInt(factor) : gfp.element(unhex(factor)));

export function* secretTags({ tags, bounds }) {
  for (const tag of tags)
    yield [
      `key of ${tag.terms.key_bytes} bytes`,
      () => {
        const [key, r] = [unhex(tag.key), tag.r && unhex(tag.r)];
        if (r) assert.equal(hex(hashOf(key, r)), tag.h);
        const message = messageUnder(termsOf(tag.terms), unhex(tag.key_id), key, r);
        assert.equal(hex(message), tag.message);
        assert.equal(blocksOf(message).length, tag.blocks);
        assert.equal(hex(tagOf(message, unhex(tag.x))), tag.f);
      },
    ];
  for (const bound of bounds)
    yield [
      `bound of ${bound.terms.key_bytes} bytes, ${bound.candidates} candidates`,
      () => {
        assert.ok(Math.abs(boundOf(bound) - bound.log2) < 0.06, `${boundOf(bound)}, not ${bound.log2}`);
      },
    ];
}

/** sharing.md, 7, "a wrong key is accepted". */
function boundOf({ terms, keys, candidates }) {
  const named = termsOf(terms);
  const message = messageUnder(named, Buffer.alloc(16), Buffer.alloc(named.keyBytes), Buffer.alloc(16));
  const hashed = named.keyBytes > 1024 ? (8 * Math.ceil(named.keyBytes / 16)) / 2 ** 106 : 0;
  const one = (blocksOf(message).length + 2) / (2 ** 127 - 1) + hashed;
  return Math.log2(keys) + Math.log2(candidates) + Math.log2(one);
}

export function* dealings({ dealings, recoveries }) {
  for (const dealing of dealings) {
    const terms = termsOf(dealing.terms);
    for (const [which, { key_id: id, key }] of dealing.keys.entries())
      yield [
        `key ${id}`,
        () => {
          assert.deepEqual(clientsOf(terms.responders), dealing.responder_clients);
          assert.equal(codeBytes(terms.keyBytes), dealing.code_bytes);
          for (const client of dealing.responder_clients.keys()) {
            const shares = dealing.hubs.map((keys, hub) => ({
              x: dealing.xs[hub],
              share: unhex(keys[which].share),
              code: unhex(keys[which].codes[client]),
            }));
            for (const some of [shares, shares.slice(-terms.k)]) assertRecovers(terms, id, some, key);
          }
        },
      ];
    yield [`dealt here: ${terms.keyBytes} bytes`, () => dealtHere(terms, dealing.xs)];
  }
  for (const recovery of recoveries) yield [recovery.name, () => recovered(recovery)];
}

function assertRecovers(terms, id, shares, key) {
  const found = recover(terms, unhex(id), shares);
  assert.equal(hex(found.key), key);
  assert.ok(shares.every((share) => isOn(found.dealing, share)));
}

function dealtHere(terms, xs) {
  const [key, id] = [Buffer.alloc(terms.keyBytes, 7), Buffer.alloc(16, 9)];
  assert.deepEqual(sortedParties([...terms.responders].reverse()), terms.responders);
  const length = codeBytes(terms.keyBytes);
  for (const client of clientsOf(terms.responders).keys()) {
    const shares = deal(terms, id, key, xs).map(({ share, codes }, hub) => ({
      x: xs[hub],
      share,
      code: concat(codes).subarray(client * length, (client + 1) * length),
    }));
    assertRecovers(terms, hex(id), shares, hex(key));
  }
}

function recovered({ terms: told, key_id: id, shares, key, liars }) {
  const terms = termsOf(told);
  const read = shares.map(({ x, share, code }) => ({ x, share: unhex(share), code: unhex(code) }));
  const found = recover(
    terms,
    unhex(id),
    read.filter((one) => isShare(terms, one)),
  );
  assert.equal(found && hex(found.key), key);
  const wrong = (one) => !isShare(terms, one) || !isOn(found.dealing, one);
  if (found)
    assert.deepEqual(
      read.filter(wrong).map(({ x }) => x),
      liars,
    );
}
