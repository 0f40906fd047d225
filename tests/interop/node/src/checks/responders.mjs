// responders.json: what hubs answer of one key, and what becomes of it.

import assert from "node:assert/strict";

import { hex, unhex } from "../bytes.mjs";
import { RequestFailed } from "../errors.mjs";
import { MESSAGES, Type } from "../messages.mjs";
import { rightful, Search } from "../responder.mjs";
import { fromJson, RAW } from "./json.mjs";

export function* responders({ cases, ...setting }) {
  for (const one of cases) yield [one.name, () => check(setting, one)];
}

function check(
  { client, k, xs, initiator: [initiator, encryptor], key_id: id },
  { caller, answers, key, error, wrong },
) {
  const links = Object.fromEntries(Object.entries(xs).map(([name, x]) => [name, { name, hub: { x } }]));
  const search = new Search(k, client, Object.values(links), initiator, [unhex(id)], Infinity);
  for (const { hub, fields } of answers)
    search.take(links[hub], MESSAGES.get(Type.SHARES).body.read(fromJson(fields), RAW), new Set([id]));
  const parties = [
    { client: initiator, encryptor },
    { client, encryptor: caller },
  ];
  if (error) {
    const handOut = () => search.result().forEach((found) => rightful(found, ...parties));
    assert.throws(handOut, (thrown) => thrown instanceof RequestFailed && thrown.code === error);
    return;
  }
  const [found] = search.result();
  rightful(found, ...parties);
  assert.equal(hex(found.key), key);
  assert.deepEqual(
    found.wrong,
    wrong.map((hub) => xs[hub]),
  );
}
