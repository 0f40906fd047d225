// refused_handshakes.json: messages with one fault each, in place of one of a recorded handshake. What is for a
// client is played by this one, from M0 on; of what is for a hub, its form and its MAC or tag are checked.

import assert from "node:assert/strict";

import { unhex } from "../bytes.mjs";
import { ProtocolError, Refused } from "../errors.mjs";
import { greet } from "../greeting.mjs";
import { parse, verifies } from "../handshake.mjs";
import { clientOfHandshake, Played, proofKey } from "./stage.mjs";

/** `handshakes`: those of handshakes.json. */
export function* refusedHandshakes({ cases }, handshakes) {
  for (const one of cases) {
    const recorded = handshakes.find(({ name }) => name === one.of);
    yield [one.name, () => (one.to === "client" ? clientSays(one, recorded) : hubSays(one, recorded))];
  }
}

async function clientSays({ stage, message, result, error, code, pool }, recorded) {
  const { me, pair, nonce, pieces, blocks } = clientOfHandshake(recorded, stage === "M4" ? pool : null);
  const altered = { ...pieces, [stage]: unhex(message) };
  const come = [altered.M0, altered.M2, ...blocks, altered.M4].filter(Boolean);
  const channel = new Played(come.slice(0, come.indexOf(altered[stage]) + 1));
  const outcome = await outcomeOf(() => greet(channel, pair, me, nonce));
  if (result === "OK") assert.ok(["OK", "the recording ends here"].includes(outcome.error), outcome.error);
  else assert.deepEqual(outcome, { error, code });
}

/** How it ended: { error, code }. */
async function outcomeOf(act) {
  try {
    await act();
    return { error: "OK", code: null };
  } catch (error) {
    if (error instanceof Refused) return { error: "REFUSED", code: error.code };
    if (error instanceof ProtocolError) return { error: error.kind, code: null };
    return { error: error.message, code: null };
  }
}

/** A hub's rules on what is in form (it refuses, or there is a window) are not this client's. */
async function hubSays({ stage, message, error, pool }, recorded) {
  const raw = unhex(message);
  const outcome = await outcomeOf(() => parse(stage, raw));
  if (outcome.error !== "OK" || error === "FORM") return assert.equal(outcome.error, error);
  const before = recorded.messages.slice(0, stage === "M1" ? 1 : 3).map((one) => unhex(one.message));
  if (stage === "M3") return tagSays(raw, before, error, pool, recorded);
  const good = verifies("M1", unhex(recorded.gate_key), before, raw) && parse("M1", raw).client === recorded.client;
  return assert.equal(good, error !== "MAC");
}

/** M3, where the bytes are told at its position. */
function tagSays(raw, before, error, pool, recorded) {
  const side = recorded.client_state;
  const { position, bytes } = pool ?? { position: side.pool_position, bytes: side.pool_bytes };
  if (parse("M3", raw).position !== BigInt(position)) return;
  const key = proofKey(recorded, side, BigInt(position), unhex(bytes), parse("M2", before[2]));
  assert.equal(key !== null && verifies("M3", key, before, raw), error !== "TAG");
}
