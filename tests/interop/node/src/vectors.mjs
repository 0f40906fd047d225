// node src/vectors.mjs [DIRECTORY]: every vector of proto/vectors against this implementation.
//
// Exit status 1 if one disagrees, and if there is a file that nobody checks.

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { refusedBodies } from "./checks/bodies.mjs";
import { bundles } from "./checks/bundles.mjs";
import { frames, refusedFrames, sealed } from "./checks/frames.mjs";
import { handshakes } from "./checks/handshakes.mjs";
import { hubs } from "./checks/hub.mjs";
import { load } from "./checks/json.mjs";
import { refusedHandshakes } from "./checks/refused_handshakes.mjs";
import { responders } from "./checks/responders.mjs";
import { sessions } from "./checks/sessions.mjs";
import { dealings, overP, secretTags, shamir } from "./checks/sharing.mjs";
import { wrapped } from "./checks/wrapped.mjs";

const directory = process.argv[2] ?? fileURLToPath(new URL("../../../../proto/vectors", import.meta.url));

/** Each gives [name, check] of all that stands in its file. */
const CHECKS = {
  "bundles.json": bundles,
  "dealings.json": dealings,
  "frames.json": frames,
  "gfp.json": overP,
  "handshakes.json": handshakes,
  "hub.json": hubs,
  "refused_bodies.json": refusedBodies,
  "refused_frames.json": refusedFrames,
  "refused_handshakes.json": (content) => refusedHandshakes(content, load(directory, "handshakes.json").handshakes),
  "responders.json": responders,
  "sealed.json": sealed,
  "secret_tags.json": secretTags,
  "sessions.json": sessions,
  "shamir.json": shamir,
  "wrapped.json": (content) => wrapped(content, load(directory, "frames.json").frames),
};

/** The number of vectors in a file that disagree. */
async function disagreeing(file) {
  let [good, bad] = [0, 0];
  for (const [name, check] of checksOf(file))
    try {
      await check();
      good++;
    } catch (error) {
      console.error(`${file}: ${name}: ${error.message}`);
      bad++;
    }
  console.log(`${file}: ${good} agree`);
  return bad;
}

/** [name, check] of all that stands in a file; one that fails, if it is not as expected or nobody's. */
function checksOf(file) {
  try {
    if (!CHECKS[file]) throw new Error("nobody checks this file");
    return [...CHECKS[file](load(directory, file))];
  } catch (error) {
    return [["as a whole", () => Promise.reject(error)]];
  }
}

const files = readdirSync(directory).filter((file) => file.endsWith(".json"));
let bad = 0;
for (const file of files) bad += await disagreeing(file);
process.exitCode = bad || files.length < Object.keys(CHECKS).length ? 1 : 0;
