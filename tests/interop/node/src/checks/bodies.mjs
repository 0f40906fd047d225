// refused_bodies.json: bodies with one fault each.

import assert from "node:assert/strict";

import { hex, unhex } from "../bytes.mjs";
import { ProtocolError } from "../errors.mjs";
import { decodeBody, encodeBody } from "../messages.mjs";
import { RAW } from "./json.mjs";

export function* refusedBodies({ messages }) {
  for (const { name, type, right_body: right, refused } of messages) {
    yield [
      `${name}: the right one`,
      () => {
        assert.equal(hex(encodeBody(type, decodeBody(type, unhex(right), RAW), RAW).plain), right);
      },
    ];
    for (const { name: fault, body } of refused)
      yield [`${name}: ${fault}`, () => assert.throws(() => decodeBody(type, unhex(body), RAW), ProtocolError)];
  }
}
