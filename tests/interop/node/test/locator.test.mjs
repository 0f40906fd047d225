// Strangers, and when they are asked anew: rules 1 to 6 of keys.md, 1.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Locator } from "../src/locator.mjs";

/** A hub that says `name` of every encryptor; or nothing, where that is undefined. */
class Hub {
  constructor(name) {
    Object.assign(this, { name, session: {}, late: false, asked: 0, silent: [] });
  }

  async ask(_type, _expected, { encryptors }) {
    this.asked++;
    if (this.name === undefined) await new Promise((resolve) => this.silent.push(resolve));
    return { clients: encryptors.map(() => this.name) };
  }

  /** It says this from now on, also to what it was asked before. */
  says(name) {
    this.name = name;
    for (const resolve of this.silent.splice(0)) resolve();
  }

  goes() {
    this.session = null;
  }

  comes() {
    this.session = {};
    this.whenRegistered();
  }
}

/** k is 2. `common` gives the names' places of the common hubs of "sam", as a request has them. */
function world(...names) {
  const hubs = names.map((name) => new Hub(name));
  const clock = { now: 0 };
  const locator = new Locator(2, { client: "celia", encryptors: ["serena"] }, hubs, () => clock.now);
  const common = async () => (await locator.locate("sam")).common.map((hub) => hubs.indexOf(hub));
  return { hubs, clock, locator, common };
}

const settled = () => new Promise(setImmediate);
const asked = (hubs) => hubs.map((hub) => hub.asked);

test("own encryptors have no strangers, and nobody is asked", async () => {
  const { hubs, locator } = world("carol", "carol", null);
  assert.deepEqual(await locator.locate("serena"), { client: "celia", common: hubs });
  assert.deepEqual(asked(hubs), [0, 0, 0]);
});

test("strangers are asked anew after 1 s, then 2 s, and no request waits for that", async () => {
  const { hubs, clock, common } = world("carol", "carol", null);
  assert.deepEqual(await common(), [0, 1]);
  for (const [now, times] of [[999, 1], [1000, 2], [2999, 2], [3000, 3], [6999, 3], [7000, 4]]) {
    clock.now = now;
    assert.deepEqual(await common(), [0, 1], now);
    await settled();
    assert.deepEqual(asked(hubs), [times, times, times], now);
  }
  hubs[2].says("carol");
  clock.now = 15000;
  assert.deepEqual(await common(), [0, 1]);
  await settled();
  assert.deepEqual(await common(), [0, 1, 2]);
});

test("where it was not in use for twice that time, a request waits for the new answers", async () => {
  const { hubs, clock, common } = world("carol", "carol", null);
  await common();
  hubs[2].says("carol");
  clock.now = 2000;
  assert.deepEqual(await common(), [0, 1, 2]);
});

test("what a stranger has said late is believed as long as what is said in time", async () => {
  const { hubs, clock, common, locator } = world("carol", "carol", null, "carol");
  assert.deepEqual(await common(), [0, 1, 3]);
  hubs[3].says(undefined);
  clock.now = 1000;
  await common();
  await locator.asking.get("sam"); // from now on hubs would be asked anew after 2 s
  clock.now = 2900;
  hubs[3].says("curtis");
  await settled();
  hubs[2].says("carol");
  clock.now = 4200;
  assert.deepEqual(await common(), [0, 1], "nobody waits for the answers");
  await settled();
  assert.deepEqual(await common(), [0, 1, 2]);
});

test("and a stranger that has not answered by then is none any more, until it does", async () => {
  const { hubs, clock, common } = world("carol", "carol", null);
  await common();
  hubs[2].says(undefined);
  clock.now = 2000;
  assert.deepEqual(await common(), [0, 1, 2]);
  hubs[2].says(null);
  await settled();
  assert.deepEqual(await common(), [0, 1]);
});

test("a stranger stays one while it is down", async () => {
  const { hubs, clock, common } = world("carol", "carol", "curtis");
  await common();
  hubs[2].goes();
  for (clock.now of [1000, 5000, 40000]) assert.deepEqual(await common(), [0, 1]);
});

test("questions that end without k alike change nothing", async () => {
  const { hubs, clock, common } = world("carol", "carol", null);
  await common();
  hubs[1].says(null);
  clock.now = 1000;
  assert.deepEqual(await common(), [0, 1]);
  await settled();
  assert.deepEqual(await common(), [0, 1]);
  clock.now = 40000;
  await assert.rejects(common(), /no 2 hubs/);
  hubs[1].says("carol");
  hubs[2].goes();
  assert.deepEqual(await common(), [0, 1]);
});

test("strangers are given up with the name", async () => {
  const { hubs, clock, common, locator } = world("carol", "carol", null, null);
  assert.deepEqual(await common(), [0, 1]);
  for (const hub of hubs) hub.says("curtis");
  hubs[3].goes();
  clock.now = 40000;
  assert.deepEqual(await common(), [0, 1, 2, 3]);
  assert.equal((await locator.locate("sam")).client, "curtis");
});

test("a hub that has not answered is common, and is asked as soon as it has a session", async () => {
  const { hubs, common } = world("carol", "carol", null);
  hubs[2].goes();
  assert.deepEqual(await common(), [0, 1, 2]);
  hubs[2].comes();
  await settled();
  assert.deepEqual(await common(), [0, 1]);
  hubs[2].comes();
  assert.deepEqual(asked(hubs), [1, 1, 1]);
});

test("a late hub is not waited for, and its answer counts when it comes", async () => {
  const { hubs, common } = world("carol", "carol", undefined);
  hubs[2].late = true;
  assert.deepEqual(await common(), [0, 1, 2]);
  hubs[2].says(null);
  await settled();
  assert.deepEqual(await common(), [0, 1]);
});

test("requests at the same time ask once", async () => {
  const { hubs, common } = world("carol", "carol", "carol");
  assert.deepEqual(await Promise.all([common(), common()]), [[0, 1, 2], [0, 1, 2]]);
  assert.deepEqual(asked(hubs), [1, 1, 1]);
});
