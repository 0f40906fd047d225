// bundles.json: bundles made anew from their manifests, read, and refused ones.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { concat, hex, u32, u64, unhex } from "../bytes.mjs";
import { HEADER_FIELDS, MANIFEST_FIELDS, readBundle } from "../bundles.mjs";
import { scrypt, sha256 } from "../crypto.mjs";
import { ProtocolError } from "../errors.mjs";
import { encode } from "../msgpack.mjs";
import { fromJson, toJson } from "./json.mjs";

/** A block's bytes, as the vectors have them: SHAKE-256 of its UUID. */
const blockBytes = (uuid, size) => createHash("shake256", { outputLength: size }).update(uuid).digest();

/** The file of a bundle without a seal: what a hub writes. */
function made({ bundle, hub, client, manifest: values }) {
  const wire = fromJson(values);
  const manifest = encode(wire);
  const body = [u32(manifest.length), manifest];
  const groups = wire[6].flatMap(([, , uuid, , size]) => {
    const bytes = blockBytes(uuid, size);
    return Array.from({ length: Math.ceil(size / 2 ** 20) }, (_, i) => bytes.subarray(i * 2 ** 20, (i + 1) * 2 ** 20));
  });
  const checksums = groups.map((group) =>
    concat(
      ...Array.from({ length: Math.ceil(group.length / 4096) }, (_, i) =>
        sha256(group.subarray(i * 4096, (i + 1) * 4096)).subarray(0, 16),
      ),
    ),
  );
  const bytes = (parts) => parts.reduce((sum, part) => sum + part.length, 0);
  const length = bytes(body) + 64 + bytes(groups) + bytes(checksums);
  const fields = encode(HEADER_FIELDS.wire({ bundle: unhex(bundle), hub, client, seal: null }));
  const start = concat("DSKEPSRD", u32(1), u32(fields.length), u64(BigInt(length)), fields);
  const header = concat(start, sha256(start).subarray(0, 16));
  const first = sha256(header, ...body);
  const blocks = groups.flatMap((group, i) => [group, checksums[i]]);
  return concat(header, ...body, first, ...blocks, sha256(first, ...checksums));
}

export function* bundles({ passphrase, bundles, refused }) {
  const files = new Map();
  for (const vector of bundles) {
    const file = vector.file ? unhex(vector.file) : made(vector);
    files.set(vector.name, file);
    yield [
      vector.name,
      () => {
        assert.equal(file.length, vector.length);
        assert.equal(hex(sha256(file)), vector.sha256);
        if (!vector.seal) assert.deepEqual(made(vector), file);
        checkRead(readBundle(file, passphrase, derived), vector);
      },
    ];
  }
  for (const { name, of, patches, length } of refused)
    yield [
      `refused: ${name}`,
      () => {
        const file = patches.reduce((before, [at, data]) => altered(before, at, unhex(data)), files.get(of));
        assert.throws(() => readBundle(file.subarray(0, length), passphrase, derived), ProtocolError);
      },
    ];
}

function checkRead({ header, manifest, pools }, vector) {
  assert.deepEqual([hex(header.bundle), header.hub, header.client], [vector.bundle, vector.hub, vector.client]);
  assert.deepEqual(toJson(MANIFEST_FIELDS.wire(manifest)), vector.manifest);
  for (const owner of ["C", "H"]) {
    const blocks = manifest.blocks.filter((block) => block.owner === owner);
    assert.deepEqual(pools[owner], concat(...blocks.map(({ uuid, size }) => blockBytes(uuid, Number(size)))));
  }
}

const altered = (file, at, data) => concat(file.subarray(0, at), data, file.subarray(at + data.length));

const keys = new Map();

/** scrypt, once for the same passphrase and parameters. */
function derived(...parameters) {
  const name = JSON.stringify(parameters);
  if (!keys.has(name)) keys.set(name, scrypt(...parameters));
  return keys.get(name);
}
