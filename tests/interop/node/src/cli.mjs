// node src/cli.mjs CONFIG                    a client; requests are lines of JSON on standard input
// node src/cli.mjs CONFIG import FILE...     take bundles (passphrases: environment DSKE_PASSPHRASE)
//
// CONFIG is a JSON file: { client, encryptors, k, hubs: [{ name, host, port, x, gate_key }] }, with gate keys where
// PSRD is simulated; or with "state", a directory, where it comes on media. ttl_ms, answer_ms and deadline_ms may be
// there, and wrapping: off, on or required.
//
// Each request has an "id", which its answer carries, and "do":
//   { do: "ready", hubs, ms }                                -> { ready }
//   { do: "get", initiator, responders, size, number }       -> { keys: [{ id, key }] }      size in bytes
//   { do: "fetch", responder, initiator, ids }               -> { keys: [{ id, key, wrong }] }
//   { do: "locate", encryptor }                              -> { client, common }
//   { do: "status" }                                         -> { hubs }
// or { error }; where a line is no JSON with an id of null. The client stops at the end of its input.

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";

import { hex, unhex } from "./bytes.mjs";
import { Client } from "./client.mjs";
import { Pair } from "./pair.mjs";
import { importBundle, loadPair } from "./store.mjs";

/** The configuration with this program's names, and paths that start at the file's directory. */
function configuration(file) {
  const {
    ttl_ms: ttlMs,
    answer_ms: answerMs,
    deadline_ms: deadlineMs,
    ...rest
  } = JSON.parse(readFileSync(file, "utf8"));
  const given = Object.entries({ ttlMs, answerMs, deadlineMs }).filter(([, value]) => value !== undefined);
  const state = rest.state && resolve(dirname(file), rest.state);
  return { ...rest, state, ...Object.fromEntries(given) };
}

const pairOf = (config) => (hub) =>
  config.state ? loadPair(config.state, hub.name) : new Pair(hub.name, unhex(hub.gate_key));

const keyText = ({ keyId, key, wrong }) => ({ id: hex(keyId), key: hex(key), wrong });

const REQUESTS = {
  ready: async (client, { hubs, ms }) => ({ ready: await client.ready(hubs, ms) }),
  get: async (client, { initiator, responders, size, number = 1 }) => ({
    keys: (await client.getKeys(initiator, responders, size, number)).map(keyText),
  }),
  fetch: async (client, { responder, initiator, ids }) => ({
    keys: (await client.getKeysById(responder, initiator, ids.map(unhex))).map(keyText),
  }),
  locate: async (client, { encryptor }) => {
    const { client: name, common } = await client.locator.locate(encryptor);
    return { client: name, common: common.map((link) => link.name) };
  },
  status: async (client) => ({ hubs: client.status() }),
};

async function answer(client, line) {
  let id = null;
  try {
    const { do: name, ...fields } = JSON.parse(line);
    id = fields.id ?? null;
    if (!Object.hasOwn(REQUESTS, name)) throw new Error(`"do" is one of ${Object.keys(REQUESTS).join(", ")}`);
    return { id, ...(await REQUESTS[name](client, fields)) };
  } catch (error) {
    return { id, error: error.message };
  }
}

function serve(config) {
  const client = new Client(config, pairOf(config), (text) => console.error(text));
  client.start();
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => console.log(JSON.stringify(await answer(client, line))));
  lines.on("close", async () => {
    await client.stop();
    process.exit(0);
  });
}

const [file, command, ...bundles] = process.argv.slice(2);
if (!file || (command && command !== "import")) {
  console.error("expected: cli.mjs CONFIG [import FILE...]");
  process.exit(2);
}
try {
  const config = configuration(file);
  for (const bundle of bundles) importBundle(config, readFileSync(bundle), process.env.DSKE_PASSPHRASE);
  if (!command) serve(config);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
