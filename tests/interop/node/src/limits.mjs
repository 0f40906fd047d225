// specification.md, sections 4 and 5: limits that both sides share, and codes. Sizes are in bytes.

export const PROTOCOL_VERSION = 1;

export const MAX_HANDSHAKE_BYTES = 512;
export const MAX_FRAME_BYTES = 393216;
export const MAX_FRAME_PAD_BYTES = 262144;
export const MIN_FRAME_PAD_BYTES = 4096;
export const MAX_KEYS_PER_FRAME = 1024;
export const MAX_NODE_NAME_BYTES = 64;
export const MAX_ENCRYPTOR_NAME_BYTES = 128;
export const MAX_ENCRYPTORS_PER_CLIENT = 8192;
export const MAX_RESPONDERS = 32;
export const MAX_KEY_BYTES = 16777216 / 8;
export const AMD_DIRECT_KEY_BYTES = 1024;
export const HANDSHAKE_PAD_BYTES = 48n;
export const WINDOW_MIN_BYTES = 16384;
export const WINDOW_MAX_BYTES = 1048576;
export const WINDOW_POOL_FRACTION = 64;
export const WINDOW_PING_RESERVE_BYTES = 1024n;
export const SIMULATED_MIN_POOL_BYTES = 96n;
export const MAX_BLOCK_BYTES = 262144;
export const MAX_SUBSETS = 16384;

export const Code = Object.freeze({
  OK: 0,
  PARTIAL: 1,
  DONE: 2,
  CONFLICT: 3,
  NOT_OWNER: 4,
  LIMIT: 5,
  UNKNOWN_KEY: 6,
  NOT_NAMED: 7,
  DELIVERED: 8,
  BAD_REQUEST: 9,
  REWIND: 19,
  SHUTTING_DOWN: 39,
});
