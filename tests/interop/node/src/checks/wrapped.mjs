// wrapped.json: WRAP, and pieces in which frames travel behind it.

import assert from "node:assert/strict";

import { hex, unhex } from "../bytes.mjs";
import { accept, buildWrap, parse } from "../frames.mjs";
import { NAMES_ONLY } from "../identifiers.mjs";
import { OwnPool, PeerPool } from "../pools.mjs";
import { Wrapping } from "../wrapping.mjs";
import { bytesAt, resultOf } from "./frames.mjs";

/** `frames`: those of frames.json, in whose session these WRAP stand. */
export function* wrapped({ wraps, pieces, refused }, frames) {
  for (const wrap of wraps) yield [wrap.name, () => checkWrap(wrap, frames)];
  for (const { name, key, counter, frame, piece } of pieces)
    yield [
      name,
      () => {
        assert.equal(hex(wrapping(key, counter).wrap(unhex(frame))), piece);
        assert.equal(hex(wrapping(key, counter).unwrap(unhex(piece))), frame);
      },
    ];
  for (const { name, key, counter, piece, result } of refused)
    yield [
      `refused: ${name}`,
      () =>
        assert.equal(
          resultOf(() => wrapping(key, counter).unwrap(unhex(piece))),
          result,
        ),
    ];
}

function wrapping(key, counter) {
  const one = new Wrapping(unhex(key));
  one.counter = counter;
  return one;
}

function checkWrap({ direction, position, pool_bytes: text, key, frame }, frames) {
  const { receiver_nonce: nonce, hash_key: hashKey } = frames.find((one) => one.direction === direction);
  const session = { direction, receiverNonce: unhex(nonce), hashKey: unhex(hashKey), names: NAMES_ONLY };
  const { ack } = parse(unhex(frame));
  const built = buildWrap(session, new OwnPool(bytesAt(position, text), null, BigInt(position)), ack);
  assert.deepEqual([hex(built.raw), hex(built.key)], [frame, key]);
  const pool = new PeerPool(bytesAt(position, text), null, BigInt(position));
  assert.equal(hex(accept(session, pool, unhex(frame)).fields.key), key);
}
