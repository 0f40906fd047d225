// hub.json: what clients and a hub say to each other. Every message is read and written again; and where this client
// would say what a client of the file says, it is made to: its requests are those of the file.

import assert from "node:assert/strict";

import { hex, unhex } from "../bytes.mjs";
import { codeBytes, clientsOf } from "../dealing.mjs";
import { HubLink } from "../hub_link.mjs";
import { decodeBody, encodeBody, MESSAGES, Type } from "../messages.mjs";
import { putFrames } from "../put_frames.mjs";
import { Search } from "../responder.mjs";
import { Session } from "../session.mjs";
import { fromJson, RAW, toJson } from "./json.mjs";

export function* hubs({ pool_bytes: poolBytes, scenarios }) {
  for (const { name, steps } of scenarios) {
    yield [`${name}: messages`, () => steps.forEach(readAndWrite)];
    yield [`${name}: requests`, () => actAll(steps, BigInt(poolBytes))];
  }
}

function readAndWrite(step) {
  for (const { type, name, fields, plain_body: plain } of [...(step.event === "asks" ? [step] : []), ...step.answers]) {
    const read = decodeBody(type, unhex(plain), RAW);
    assert.equal(Type[name], type);
    assert.deepEqual(toJson(MESSAGES.get(type).body.wire(read, RAW)), fields);
    assert.equal(hex(encodeBody(type, MESSAGES.get(type).body.read(fromJson(fields), RAW), RAW).plain), plain);
  }
}

/** The requests of a scenario that this client would make, and the answers to them. */
async function actAll(steps, poolBytes) {
  const all = steps.flatMap(({ answers }) => answers);
  let acted = 0;
  for (const step of steps.filter(({ event }) => event === "asks")) {
    const wanted = decodeBody(step.type, unhex(step.plain_body), RAW);
    const act = ACTS.get(step.type);
    if (!act?.fits(wanted)) continue;
    const answers = all.filter((one) => one.session === step.session && one.request_id === step.request_id);
    const actor = new Actor(step.session.split(" ")[0], poolBytes, answers);
    await act.make(actor, wanted);
    assert.equal(actor.said.length, 1, step.why);
    const said = act.atThatTime?.(actor.said[0], wanted) ?? actor.said[0];
    assert.equal(hex(encodeBody(step.type, said, RAW).plain), step.plain_body);
    acted++;
  }
  assert.ok(acted > 0);
}

/** A link to a hub whose session writes down what it is asked for, and gives the recorded answers of a GET_SHARES. */
class Actor extends HubLink {
  constructor(client, poolBytes, answers) {
    super({ name: "hank", x: 1 }, null, { client, encryptors: [] }, () => {});
    const streams = { own: { bytes: { end: poolBytes } }, peer: { bytes: { end: poolBytes } } };
    this.said = [];
    const request = async (type, expected, fields, answered) => {
      this.said.push(fields);
      if (answered && answers.length) assert.deepEqual(takeAll(answers, answered), { tooSoon: false, inFull: true });
      return { codes: Buffer.alloc(fields.groups?.[0].keyIds.length ?? 0), code: 0, refused: [], shareTimeoutMs: 1 };
    };
    this.session = { streams, request, pingFields: Session.prototype.pingFields };
  }
}

/** The last of several SHARES answers the request in full, and none before it. */
function takeAll(answers, answered) {
  const results = answers.map(({ type, plain_body: plain }) => answered(decodeBody(type, unhex(plain), RAW)));
  return { inFull: results.pop(), tooSoon: results.includes(true) };
}

const distinct = (keyIds) => new Set(keyIds.map(hex)).size === keyIds.length;

/** Whole shares of one group, as an initiator brings them: not what breaks a rule. */
function isWhole({ groups }) {
  const [{ offset, keyBytes, keyIds, shares, codes, responders, n, k }] = groups;
  const lengths = [keyBytes, clientsOf(responders).length * codeBytes(keyBytes)].map((bytes) => bytes * keyIds.length);
  return groups.length === 1 && !offset && k <= n && shares.length === lengths[0] && codes.length === lengths[1];
}

function bring(actor, { groups: [group] }) {
  const { responders, n, k, keyBytes, keyIds, shares, codes } = group;
  const initiator = { client: actor.me.client, encryptor: group.initiator };
  const ofKey = (bytes, i) => {
    const size = bytes.length / keyIds.length;
    return bytes.subarray(i * size, (i + 1) * size);
  };
  const dealt = keyIds.map((keyId, i) => ({ keyId, share: ofKey(shares, i), codes: ofKey(codes, i) }));
  const dealing = { terms: { initiator, responders, n, k, keyBytes }, deadline: 0 };
  return Promise.all([...putFrames(dealing, dealt, 4096)].map((frame) => actor.putOne(actor.session, dealing, frame)));
}

function fetch(actor, { groups: [{ initiator, keyIds }] }) {
  const search = new Search(2, actor.me.client, [actor], initiator, keyIds, 0);
  return search.askOnce(actor, [...search.keys.values()]);
}

/**
 * By type: whether this client would say such a thing, how it is made to, and what it has said with the times of the
 * file in place of those of now.
 */
const ACTS = new Map([
  [Type.REGISTER, { fits: () => true, make: (actor, { encryptors }) => register(actor, encryptors) }],
  [
    Type.PUT_SHARES,
    {
      fits: isWhole,
      make: bring,
      atThatTime: (said, { groups: [{ ttlMs }] }) => ({ groups: said.groups.map((group) => ({ ...group, ttlMs })) }),
    },
  ],
  [
    Type.GET_SHARES,
    {
      fits: ({ groups, done }) =>
        groups.length === 1 && !groups[0].offset && distinct(groups[0].keyIds) && done.length === 0,
      make: fetch,
      atThatTime: (said, { waitMs }) => ({ ...said, waitMs }),
    },
  ],
  [
    Type.PING,
    {
      fits: ({ done }) => done.length > 0,
      make: (actor, { done: [{ initiator, keyIds }] }) => actor.confirm(initiator, keyIds),
    },
  ],
]);

function register(actor, encryptors) {
  actor.me.encryptors = encryptors;
  return actor.register(actor.session);
}
