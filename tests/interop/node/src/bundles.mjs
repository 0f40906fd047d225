// Bundles: PSRD on media (bundles.md).

import { concat, equal, u32 } from "./bytes.mjs";
import { open, scrypt, sha256 } from "./crypto.mjs";
import { malformed } from "./errors.mjs";
import { WINDOW_MAX_BYTES, WINDOW_MIN_BYTES } from "./limits.mjs";
import { decode } from "./msgpack.mjs";
import { windowOf } from "./pools.mjs";
import { bin16, bin32, bool, list, nodeName, optional, record, text, uint, uint64 } from "./types.mjs";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const MAGIC = Buffer.from("DSKEPSRD");
const FORMAT_VERSION = 1;
const FIXED_BYTES = 24;
const CHECK_BYTES = 16;
const MAX_FIELDS_BYTES = 1024;
const MAX_MANIFEST_BYTES = 524288;
const MAX_BLOCKS = 8192;
const MAX_BLOCK_BYTES = 4294967296n;
const MIN_FIRST_BYTES = 1048576n;
const GROUP_BYTES = 1048576;
const CHUNK_BYTES = 4096;

const seal = record({
  cipher: text(1, 64),
  keyDerivation: text(1, 64),
  salt: bin16,
  log2N: uint(15, 16),
  r: uint(8, 8),
  p: uint(3, 16),
  chunkBytes: uint(4096, 1048576),
});
const header = record({ bundle: bin16, hub: nodeName, client: nodeName, seal: optional(seal) });
const block = record({ owner: text(1, 1), sequence: uint64, uuid: bin16, start: uint64, size: uint64 });
const manifest = record({
  gateKey: bin32,
  x: uint(1, 255),
  window: uint(WINDOW_MIN_BYTES, WINDOW_MAX_BYTES),
  clientStream: bin16,
  hubStream: bin16,
  replace: bool,
  blocks: list(block, 2, MAX_BLOCKS),
});

export const HEADER_FIELDS = header;
export const MANIFEST_FIELDS = manifest;

/** Section 1: { fields, header, body }: the fields, and the bytes of both parts. */
export function parseHeader(file) {
  if (file.length < FIXED_BYTES || !file.subarray(0, 8).equals(MAGIC)) throw malformed("this is no bundle");
  if (file.readUInt32BE(8) !== FORMAT_VERSION) throw malformed("a bundle of another format version");
  const fieldsBytes = file.readUInt32BE(12);
  const checkAt = FIXED_BYTES + fieldsBytes;
  if (fieldsBytes > MAX_FIELDS_BYTES || file.length < checkAt + CHECK_BYTES) throw malformed("a header that is cut");
  const check = sha256(file.subarray(0, checkAt)).subarray(0, CHECK_BYTES);
  if (!equal(check, file.subarray(checkAt, checkAt + CHECK_BYTES))) throw malformed("the header is damaged");
  const body = file.subarray(checkAt + CHECK_BYTES);
  if (BigInt(body.length) !== file.readBigUInt64BE(16)) throw malformed("the bundle has another length");
  const fields = header.read(decode(file.subarray(FIXED_BYTES, checkAt)));
  if (!NAME.test(fields.hub) || !NAME.test(fields.client)) throw malformed("a name that may not stand in bundles");
  return { fields, header: file.subarray(0, checkAt + CHECK_BYTES), body };
}

/** Section 4: the plain body, of sealed chunks. */
function unseal(parts, passphrase, derive) {
  const { cipher, keyDerivation, salt, log2N, r, p, chunkBytes } = parts.fields.seal;
  if (cipher !== "ChaCha20-Poly1305" || keyDerivation !== "scrypt") throw malformed("another seal");
  if (passphrase === undefined) throw malformed("the bundle is sealed: it needs its passphrase");
  const key = derive(Buffer.from(passphrase.normalize("NFC")), salt, 2 ** log2N, r, p);
  const sealedBytes = chunkBytes + 16;
  const chunks = Math.ceil(parts.body.length / sealedBytes);
  const opened = Array.from({ length: chunks }, (_, i) => {
    const nonce = concat(Buffer.alloc(7), u32(i), Buffer.of(i === chunks - 1 ? 1 : 0));
    const plain = open(key, nonce, parts.body.subarray(i * sealedBytes, (i + 1) * sealedBytes), parts.header);
    if (!plain) throw malformed("a sealed chunk does not open");
    return plain;
  });
  return Buffer.concat(opened);
}

/**
 * All of a bundle, checked: { header, manifest, pools }; `pools.C` and `pools.H` are the bytes for the client's pool
 * and the hub's, from the first block on. Nothing may be used of one that throws. `derive`: scrypt.
 */
export function readBundle(file, passphrase, derive = scrypt) {
  const parts = parseHeader(file);
  const body = parts.fields.seal ? unseal(parts, passphrase, derive) : parts.body;
  const manifestBytes = body.length < 4 ? Infinity : body.readUInt32BE(0);
  if (manifestBytes > MAX_MANIFEST_BYTES || body.length < 4 + manifestBytes + 64) throw malformed("the body is cut");
  const before = body.subarray(0, 4 + manifestBytes);
  const first = sha256(parts.header, before);
  if (!equal(first, body.subarray(before.length, before.length + 32))) throw malformed("the manifest is damaged");
  const told = manifest.read(decode(before.subarray(4)));
  checkManifest(told);
  return { header: parts.fields, manifest: told, pools: readBlocks(body, before.length + 32, told.blocks, first) };
}

/** Section 2: groups of chunks, then their checksums. */
function readBlocks(body, start, blocks, firstDigest) {
  if (body.length !== start + blocks.reduce((sum, { size }) => sum + bytesWithChecksums(Number(size)), 0) + 32)
    throw malformed("the plain body has another length than its manifest says");
  const pools = { C: [], H: [] };
  const checksums = [];
  let at = start;
  for (const { owner, size } of blocks)
    for (let left = Number(size); left > 0; left -= GROUP_BYTES) {
      const group = body.subarray(at, at + Math.min(left, GROUP_BYTES));
      const sums = body.subarray(at + group.length, at + bytesWithChecksums(group.length));
      if (!equal(checksumsOf(group), sums)) throw malformed("a block is damaged");
      pools[owner].push(group);
      checksums.push(sums);
      at += group.length + sums.length;
    }
  if (!equal(sha256(firstDigest, ...checksums), body.subarray(at))) throw malformed("the last digest is wrong");
  return { C: Buffer.concat(pools.C), H: Buffer.concat(pools.H) };
}

// Groups are a whole number of chunks, so that a block has as many checksums as if it were one group.
const bytesWithChecksums = (size) => size + 16 * Math.ceil(size / CHUNK_BYTES);

function checksumsOf(group) {
  const chunks = Array.from({ length: Math.ceil(group.length / CHUNK_BYTES) }, (_, i) =>
    group.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES),
  );
  return concat(...chunks.map((chunk) => sha256(chunk).subarray(0, 16)));
}

/** Section 3. */
function checkManifest(told) {
  const { blocks, clientStream, hubStream } = told;
  const pools = ["C", "H"].map((owner) => blocks.filter((one) => one.owner === owner));
  if (!blocks.every((one, i) => one === [...pools[0], ...pools[1]][i]))
    throw malformed("blocks of other owners, or mixed");
  for (const ofPool of pools) checkBlocks(ofPool);
  const ids = [...blocks.map(({ uuid }) => uuid), clientStream, hubStream].map((id) => id.toString("hex"));
  if (new Set(ids).size !== ids.length) throw malformed("an identity stands twice");
  const begin = pools.map(([one]) => one.sequence === 0n);
  if (begin[0] !== begin[1]) throw malformed("one stream begins, and the other goes on");
  if (begin[0]) checkBeginning(told, pools);
  else if (told.replace) throw malformed("streams that go on replace nothing");
}

function checkBlocks(blocks) {
  if (!blocks.length) throw malformed("a pool without blocks");
  blocks.forEach(({ sequence, start, size }, i) => {
    const before = blocks[i - 1];
    const follows = !before || (sequence === before.sequence + 1n && start === before.start + before.size);
    if (!follows || (sequence === 0n) !== (start === 0n)) throw malformed("blocks that do not follow each other");
    if (size < 1n || size > MAX_BLOCK_BYTES || start + size >= 1n << 63n) throw malformed("a size or position");
  });
}

function checkBeginning({ window }, pools) {
  const sizes = pools.map((blocks) => blocks.reduce((sum, { size }) => sum + size, 0n));
  const smaller = sizes[0] < sizes[1] ? sizes[0] : sizes[1];
  if (smaller < MIN_FIRST_BYTES) throw malformed("a first bundle that is too small");
  if (BigInt(window) !== windowOf(smaller)) throw malformed("another window than the size gives");
}
