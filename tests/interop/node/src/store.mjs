// PSRD on media, as a client keeps it on its disk: one directory for each hub.
//
//   streams.json            what the bundles said: gate key, window, streams, block numbers and UUIDs
//   client.pool, hub.pool   the bytes of both pools, one behind the other from position 0; used ones are zeros
//   marks.json              the durable positions (pools.md, 1): nothing below them is ever used again
//
// Positions are decimal strings in JSON, for they may be above 2^53. Writes are on the disk when a call returns.

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

import { hex, unhex } from "./bytes.mjs";
import { readBundle } from "./bundles.mjs";
import { Pair, Streams } from "./pair.mjs";
import { Bytes, OwnPool, PeerPool } from "./pools.mjs";

const POOLS = { C: "client.pool", H: "hub.pool" };
const ZEROS = Buffer.alloc(65536);

/** Replace a file as a whole: after a crash it is the old one or the new one. */
function writeJson(file, value) {
  withFile(`${file}.new`, "w", (fd) => writeSync(fd, JSON.stringify(value)));
  renameSync(`${file}.new`, file);
  syncDirectory(dirname(file));
}

function withFile(file, mode, write) {
  const fd = openSync(file, mode, 0o600);
  try {
    write(fd);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncDirectory(directory) {
  const fd = openSync(directory, "r");
  fsyncSync(fd);
  closeSync(fd);
}

const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

/** The durable positions of a pair, and the overwriting of what lies below them. */
export class Marks {
  constructor(directory) {
    this.directory = directory;
    this.positions = readJson(join(directory, "marks.json"));
  }

  of(owner) {
    return BigInt(this.positions[owner]);
  }

  /** A function for pools.mjs: makes a larger position of this pool durable, then overwrites what lies below. */
  saver(owner) {
    return (position) => {
      const before = this.of(owner);
      this.positions[owner] = String(position);
      writeJson(join(this.directory, "marks.json"), this.positions);
      withFile(join(this.directory, POOLS[owner]), "r+", (fd) => {
        for (let at = before; at < position; at += BigInt(ZEROS.length)) {
          const left = position - at;
          writeSync(fd, ZEROS, 0, left < ZEROS.length ? Number(left) : ZEROS.length, at);
        }
      });
    };
  }
}

/** A pair as it stands on the disk, for a new process. */
export function loadPair(state, hub) {
  const directory = join(state, hub);
  if (!existsSync(join(directory, "streams.json"))) throw new Error(`there is no bundle of hub ${hub} yet`);
  const told = readJson(join(directory, "streams.json"));
  const marks = new Marks(directory);
  const window = BigInt(told.window);
  const bytesOf = (owner) => {
    const bytes = new Bytes();
    bytes.append(readFileSync(join(directory, POOLS[owner])).subarray(0, Number(told.ends[owner])));
    bytes.giveUp(marks.of(owner));
    return bytes;
  };
  const own = new OwnPool(bytesOf("C"), window, marks.of("C"), marks.saver("C"));
  const peer = new PeerPool(bytesOf("H"), window, marks.of("H"), marks.saver("H"));
  return new Pair(hub, unhex(told.gateKey), new Streams(unhex(told.clientStream), unhex(told.hubStream), own, peer));
}

/**
 * Take a bundle, once (bundles.md, 3). `config`: { client, state, hubs }. Nothing is changed by one that is refused.
 * The client must not run meanwhile. (Streams that replace others are not taken: remove the directory first.)
 */
export function importBundle(config, file, passphrase) {
  const { header, manifest, pools } = readBundle(file, passphrase);
  const hub = config.hubs.find(({ name }) => name === header.hub);
  if (header.client !== config.client) throw new Error(`the bundle is for client ${header.client}`);
  if (!hub) throw new Error(`hub ${header.hub} is not configured`);
  if (hub.x !== manifest.x)
    throw new Error(`the bundle says x-coordinate ${manifest.x} of hub ${hub.name}, not ${hub.x}`);
  const directory = join(config.state, hub.name);
  const before = existsSync(join(directory, "streams.json")) ? readJson(join(directory, "streams.json")) : null;
  const after = continued(before, header, manifest);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const owner of ["C", "H"]) append(join(directory, POOLS[owner]), BigInt(before?.ends[owner] ?? 0), pools[owner]);
  if (!before) writeJson(join(directory, "marks.json"), { C: "0", H: "0" });
  writeJson(join(directory, "streams.json"), after);
}

/** What streams.json says with this bundle. */
function continued(before, header, { gateKey, x, window, clientStream, hubStream, blocks }) {
  const same = {
    gateKey: hex(gateKey),
    x,
    window: String(window),
    clientStream: hex(clientStream),
    hubStream: hex(hubStream),
  };
  const last = (owner) => blocks.filter((block) => block.owner === owner).at(-1);
  const first = (owner) => blocks.find((block) => block.owner === owner);
  const uuids = [hex(header.bundle), ...blocks.map(({ uuid }) => hex(uuid))];
  if (before && uuids.some((uuid) => before.uuids.includes(uuid))) throw new Error("imported already");
  const begins = first("C").sequence === 0n;
  if (begins !== (before === null))
    throw new Error(begins ? "there are streams already" : "import the earlier bundles first");
  if (before) checkFollows(before, same, first);
  const both = (of) => ({ C: String(of(last("C"))), H: String(of(last("H"))) });
  return {
    ...same,
    ends: both(({ start, size }) => start + size),
    numbers: both(({ sequence }) => sequence + 1n),
    uuids: [...(before?.uuids ?? []), ...uuids],
  };
}

function checkFollows(before, same, first) {
  for (const [name, value] of Object.entries(same))
    if (before[name] !== value) throw new Error(`the bundle has another ${name} than the streams here`);
  for (const owner of ["C", "H"]) {
    const { sequence, start } = first(owner);
    if (String(sequence) !== before.numbers[owner] || String(start) !== before.ends[owner])
      throw new Error("the bundle does not go on where the streams end");
  }
}

/** Bytes at the end of a pool; what an interrupted import left there is overwritten. */
function append(file, end, bytes) {
  withFile(file, existsSync(file) ? "r+" : "w", (fd) => {
    for (let done = 0; done < bytes.length;)
      done += writeSync(fd, bytes, done, bytes.length - done, end + BigInt(done));
  });
}
