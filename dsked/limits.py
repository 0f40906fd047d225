"""Every limit and every timing constant, named, with its arithmetic. Units are in the names.

Two groups: constants of protocol version 1, which both ends must share (proto/ states them),
and constants of this implementation, which an operator or a later release may change.
"""

from __future__ import annotations

# --- constants of the protocol, version 1 -------------------------------------------------------

PROTOCOL_VERSION = 1

TAG_BYTES = 16
NONCE_BYTES = 16
KEY_ID_BYTES = 16
UUID_BYTES = 16
STREAM_ID_BYTES = 16
BOOT_ID_BYTES = 16
GATE_KEY_BYTES = 32
#: A one-time Poly1305 key: the hash key r (16) and the mask s (16). RFC 8439, section 2.5.
ONE_TIME_KEY_BYTES = 32
HASH_KEY_BYTES = 16
MASK_BYTES = 16
#: M3 and M4 take 32 bytes for their own tag and 16 for the session's hash key r.
HANDSHAKE_PAD_BYTES = ONE_TIME_KEY_BYTES + HASH_KEY_BYTES

MAX_HANDSHAKE_BYTES = 512  # one of M0 to M4, its length prefix not counted
MAX_NODE_NAME_BYTES = 64  # names of hubs and clients, UTF-8
MAX_ENCRYPTOR_NAME_BYTES = 128  # SAE IDs, UTF-8

MAX_HUBS = 255  # x-coordinates 1..255 of GF(2^8)
#: Keys longer than this are hashed before the AMD code: h and r stand in place of the key.
AMD_DIRECT_KEY_BYTES = 1024

#: Pads of one frame, at most. Media pools allow WIN / 4, so never more than 256 KiB either.
MAX_FRAME_PAD_BYTES = 256 * 1024
#: Every side takes at least this much: a quarter of the smallest window.
MIN_FRAME_PAD_BYTES = 4096
#: Body bytes beside the pads: metadata of up to MAX_KEYS_PER_FRAME keys.
MAX_FRAME_BYTES = MAX_FRAME_PAD_BYTES + 128 * 1024
MAX_KEYS_PER_FRAME = 1024

MAX_POOL_BYTES = 2**62  # positions are 64-bit
WINDOW_MIN_BYTES = 16 * 1024
WINDOW_MAX_BYTES = 1024 * 1024
WINDOW_POOL_FRACTION = 64  # WIN = clamp(size / 64, 16 KiB, 1 MiB)
#: Ordinary frames stop this far short of ack + WIN; the rest is for PING.
WINDOW_PING_RESERVE_BYTES = 1024
#: Simulated streams are begun anew when a pool holds less than this without a session.
SIMULATED_MIN_POOL_BYTES = 2 * HANDSHAKE_PAD_BYTES

# Bundles (proto/bundles.md). Scrypt as written is the least that is taken: 128 * N * r = 32 MiB of memory.
SCRYPT_LOG2_N = 15
MAX_SCRYPT_LOG2_N = 16  # 64 MiB
SCRYPT_R = 8
SCRYPT_P = 3
MAX_SCRYPT_P = 16  # with 64 MiB some 4 s
SEAL_SALT_BYTES = 16
SEAL_CHUNK_BYTES = 1024 * 1024  # as written, and at most
MIN_SEAL_CHUNK_BYTES = 4096
MAX_BUNDLE_FIELDS_BYTES = 1024  # two names of 64 bytes, a UUID and a seal take 240
MAX_MANIFEST_BYTES = 512 * 1024
MAX_BLOCKS_PER_BUNDLE = 8192  # 60 bytes each in the manifest
MAX_BUNDLES_PER_FILE = 10_000  # as many as a hub takes connections
MAX_POSITION = 2**63 - 1
#: A stream begins with at least this much in its first bundle, so that the smallest window is a 64th of it.
MIN_FIRST_BUNDLE_BYTES = 1024 * 1024

#: How long a hub may park a GET_SHARES for a key that it does not know yet.
MAX_PARK_S = 1.0

# --- constants of this implementation -----------------------------------------------------------

#: Marks run ahead of use by at most this fraction of what a pool still holds: a crash burns that much.
RESERVED_POOL_FRACTION = 4
#: A pool on media runs low below so many windows, and holds enough again above so many.
LOW_PSRD_WINDOWS = 4
ENOUGH_PSRD_WINDOWS = 8
#: A pair with fewer bytes for ordinary frames is used up: key requests go to other hubs.
USED_UP_BYTES = 1024
#: The durable store reserves what about so many seconds use, and never less than this many bytes.
RESERVATION_S = 1.0
MIN_RESERVATION_BYTES = 4096
#: Used bytes are overwritten on the disk within this long.
WIPE_INTERVAL_S = 1.0
#: Overwriting is synced in pieces of this size; after a crash so much of a pool is overwritten once more.
WIPE_SYNC_BYTES = 1024 * 1024
#: Open block files of a node, for reading and again for overwriting, however many pools it has.
MAX_OPEN_BLOCK_FILES = 32
#: Chunks of 4 KiB that streams on media have in memory, all together: 4 MiB, and no more for idle clients.
MAX_CHUNKS_IN_MEMORY = 1024
#: A run of so many zeros in a pool is taken for a damaged file; by chance once in 2^128 places.
ZERO_RUN_BYTES = 16
#: Plain messages that wait in a session for pads, for the window or for a slow reader.
MAX_OUTBOX_BYTES = 16 * 1024 * 1024
MAX_OUTBOX_MESSAGES = 65_536  # small ones weigh more in memory than on the wire

DEFAULT_BASE_PORT = 8100
DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES = 500
DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES = 2000
DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES = 1000
DEFAULT_MIN_NR_SHARES = 3
DEFAULT_SHARE_TIMEOUT_S = 60

DEFAULT_KEY_SIZE_BITS = 128
MIN_KEY_SIZE_BITS = 32
MAX_KEY_SIZE_BITS = 16_777_216  # 2 MiB of key: 8 pieces of 256 KiB per hub
MAX_KEYS_PER_REQUEST = 128  # by default; at most MAX_KEYS_PER_FRAME
#: number * size of one request, at most as much as one key of the largest size.
MAX_REQUEST_KEY_BYTES = MAX_KEY_SIZE_BITS // 8
#: Responders (encryptors) that one key may name.
MAX_RESPONDERS = 32

#: Wait for acknowledgements: k at least; once k are in, this much longer for the others.
ACK_GRACE_S = 0.05
ACK_LIMIT_S = 0.8
#: A responder asks again until this deadline while fewer than k good shares are in hand.
FETCH_DEADLINE_S = 1.0
RETRY_FIRST_S = 0.02
RETRY_MAX_S = 0.25
#: Subsets of shares that are searched when decoding fails: C(m, k) at most.
MAX_SUBSETS = 2**14

DIRECTORY_TTL_S = 30.0
#: An entry in use is asked for anew from half its life on; again after so long where k hubs did not agree.
DIRECTORY_RETRY_S = 5.0
MAX_CACHED_ENCRYPTORS = 65_536
#: Confirmations travel with the next GET_SHARES, or alone after this long.
DONE_FLUSH_S = 5.0

CONNECT_TIMEOUT_S = 3.0
#: From TCP's beginning to M3 or M4: three round trips of 0.5 s (satellites), and a disk that takes its time.
HANDSHAKE_TIMEOUT_S = 5.0
RECONNECT_FIRST_S = 0.1
#: A hub that refuses TCP costs nothing to try: back-off stays short.
RECONNECT_UNREACHABLE_MAX_S = 1.0
#: A handshake that fails after M3, on media after M1, costs 48 pad bytes: back-off grows long.
RECONNECT_HANDSHAKE_MAX_S = 60.0
RECONNECT_JITTER = 0.25
REGISTER_RETRY_S = 5.0

#: A peer that says nothing is asked by the system after 10 s, then every 5 s, and given up after 25 s.
KEEPALIVE_IDLE_S = 10
KEEPALIVE_INTERVAL_S = 5
KEEPALIVE_COUNT = 3
#: So long a peer may leave what was sent to it unacknowledged or unread: as long as keepalive takes.
UNACKNOWLEDGED_S = KEEPALIVE_IDLE_S + KEEPALIVE_COUNT * KEEPALIVE_INTERVAL_S

#: Bytes of one connection that are acted upon in one turn: some 500 of the smallest frames, about 10 ms. What
#: else has come waits for the next turn, behind the other connections'.
MAX_TURN_BYTES = 32 * 1024
#: Connections that one listening socket accepts in a turn, at 0.1 ms each; the others wait in the backlog.
MAX_ACCEPTS_PER_TURN = 8
LISTEN_BACKLOG = 1024
#: Without a file descriptor left, or memory, nothing is accepted for so long.
ACCEPT_PAUSE_S = 0.05

# File descriptors. A start takes some 20 (standard streams, event loop, locks, marks, listening sockets), and
# finding a host's address or reading a file a few for a moment.
SPARE_DESCRIPTORS = 32
#: Of what is left beside these, block files may have a quarter, control connections a quarter.
DESCRIPTORS_FRACTION = 4
MIN_DESCRIPTORS = 16  # beside SPARE_DESCRIPTORS: with fewer a node does not start

# Hub.
MAX_CONNECTIONS = 10_000  # one per client, and strangers; 5 KiB each with a session, beside pads in memory
MAX_UNAUTHENTICATED_CONNECTIONS = 1024  # 4 KiB each: 4 MiB; at 5 s each 204 strangers a second hold on
MAX_UNAUTHENTICATED_PER_ADDRESS = 256  # a quarter of them: many clients behind one address may start at once
#: So long a stranger makes room for none: a round trip over a long distance, or its M1 would come too late
#: when thousands connect at once. 2,000 a second are let in all the same: no core shakes hands with more.
STRANGER_PATIENCE_S = 0.5
#: 1,000 keys a second that nobody fetches for the share time-out of 60 s.
MAX_PENDING_SHARES_PER_CLIENT = 65_536
MAX_PENDING_SHARE_BYTES_PER_CLIENT = 64 * 1024 * 1024  # 1 KiB for each of them, or 31 keys of 2 MiB
#: Names of their responders, and what each responder weighs beside: 1 KiB for each of 65,536 shares.
MAX_PENDING_RESPONDER_BYTES_PER_CLIENT = 64 * 1024 * 1024
#: Two names and a code as Python's objects, and their places in a tuple and in a dictionary; 480 measured.
RESPONDER_OVERHEAD_BYTES = 512
#: For shares of an initiator that timed out.
MAX_TOMBSTONES_PER_CLIENT = 262_144
#: For confirmations of a responder: 17,000 keys a second at a share time-out of 60 s. Of more the shares stay
#: until they time out, so that their initiator reaches its limit. As many as a client remembers deliveries.
MAX_CONFIRMED_PER_CLIENT = 1_048_576
#: Shares that are removed in one turn because their time is out, at 7 us each; and tombstones, at 0.15 us.
MAX_EXPIRED_PER_TURN = 512
MAX_FORGOTTEN_PER_TURN = 32_768
MAX_PARKED_KEYS_PER_CLIENT = 4096
MAX_ENCRYPTORS_PER_CLIENT = 8192

# Sources of block bytes. Min-entropy is in bits per byte, for the health tests of SP 800-90B.
#: Half a bit per bit: what raw samples of a sound generator keep well above, whatever its kind.
DEFAULT_MIN_ENTROPY_BITS = 4.0
MIN_MIN_ENTROPY_BITS = 0.1  # below 40 / 512 a whole window of equal bytes would still pass
MAX_MIN_ENTROPY_BITS = 8.0
#: alpha = 2^-40, the lower end of what the standard advises: at 2^-20 a sound source of 8 bits per byte
#: would fail 512 times in 8 GiB.
HEALTH_FALSE_ALARM_BITS = 40
#: A device that gives nothing for so long has stalled.
SOURCE_STALL_S = 30.0
#: Read from a device at once: even 600 bytes per second come within SOURCE_STALL_S.
SOURCE_PIECE_BYTES = 16 * 1024

# Simulated PSRD. The largest pool that a client keeps ahead, and the largest block.
MAX_SIMULATED_BLOCK_BYTES = 256 * 1024
MAX_SIMULATED_POOL_BYTES = 16 * 1024 * 1024
#: Blocks of one pool that hold unread bytes: 256 bytes each in a pool of the largest size.
MAX_SIMULATED_BLOCKS = 65_536
#: Blocks that wait in a connection: both pools filled at once.
MAX_UNSENT_SEALED_BYTES = 2 * MAX_SIMULATED_POOL_BYTES
#: A client that uses more than its thresholds keeps ahead what it used in this long.
REFILL_LOOKBACK_S = 2.0

# Client.
#: Of all encryptors together, each at most half of what the others leave: 0.8 s at 20,000 requests a second.
MAX_REQUESTS_IN_FLIGHT = 16_384
#: Shares that wait for a hub that is down: keys and bytes per hub; the oldest is dropped.
MAX_UNSENT_SHARES_PER_HUB = 16_384
MAX_UNSENT_SHARE_BYTES_PER_HUB = 16 * 1024 * 1024
#: Keys that the responder holds or waits for; each until its encryptors have it or it expires.
MAX_FETCHES = 131_072
#: Bytes of shares of one hub that a responder holds: as much as a hub holds of one initiator.
MAX_HELD_SHARE_BYTES_PER_HUB = MAX_PENDING_SHARE_BYTES_PER_CLIENT
#: Bytes of keys that are being established: what one hub's outbox takes.
MAX_KEY_BYTES_UNDER_WAY = MAX_OUTBOX_BYTES
#: A hub that has not answered a request for so long hangs: its session is closed.
ANSWER_LIMIT_S = 10.0
#: A frame that has begun to arrive is whole by then (the largest at 40 kB/s), or its connection is closed.
FRAME_LIMIT_S = 10.0
#: Confirmations that wait for a hub; beyond that its shares simply time out.
MAX_REMEMBERED_DONE_PER_HUB = 65_536
MAX_REMEMBERED_DELIVERIES = 1_048_576
#: Long work on shares (searches for good ones; proofs of who lied) is cut into slices, one of each kind in a
#: turn. Costs are in microseconds of one core, as sharing/cost.py estimates them: a slice takes 1 ms.
MAX_SLICE_COST = 1000
#: A turn that brought something else does no slice, so that answers leave at once; so many in a row at most.
MAX_TURNS_WITHOUT_SLICE = 4
#: What one initiator's keys may cost at once, 2 s: more than most searches take; then a quarter of a core.
MAX_SEARCH_DEBT = 2_000_000
SEARCH_COST_PER_S = 250_000
#: Bytes of shares that are worked on at once, for each of the two kinds: two keys of 2 MiB at 32 hubs.
MAX_SEARCH_BYTES = 128 * 1024 * 1024

# Media.
#: A bundle's blocks are cut to this size at most: 16 MiB of checksums while one is written.
MAX_BLOCK_BYTES = 4 * 1024 * 1024 * 1024
MIN_PASSPHRASE_CHARACTERS = 12
MAX_PASSPHRASE_FILE_BYTES = 64 * 1024

# Evidence against hubs (mismatches), and how long they are set aside.
SET_ASIDE_FIRST_S = 10.0
SET_ASIDE_MAX_S = 600.0
EVIDENCE_WINDOW_S = 3600.0
EVIDENCE_INITIATORS = 2
#: Initiator clients that are remembered against one hub: those whose last mismatch is the oldest go first.
MAX_EVIDENCE_INITIATORS = 1024

# Control socket.
MAX_CONTROL_FRAME_BYTES = 4 * 1024 * 1024
MAX_CONTROL_CLIENTS = 256  # connections per local user
#: Of all users together, each at most half of what the others leave.
MAX_CONTROL_CONNECTIONS = 1024
#: Whatever all others have taken, root and the node's own user may have so many each: status and stop.
OPERATOR_CONNECTIONS = 2
#: A request that has begun to come must be there within this long.
CONTROL_REQUEST_TIMEOUT_S = 10.0
MAX_CONTROL_REQUEST_BYTES = 64 * 1024  # some 3,600 key IDs of 18 bytes
MAX_CONTROL_REQUESTS_IN_FLIGHT = 1024  # per connection
#: Replies that a local user has not read: 16 of the largest; then the connection that brings more is closed.
MAX_CONTROL_UNREAD_BYTES = 16 * MAX_CONTROL_FRAME_BYTES
#: A status that took longer to make (100 peers do) is given for so many times as long: a twentieth of a core.
LONG_STATUS_S = 0.005
STATUS_KEPT_TIMES = 20
MAX_SOCKET_PATH_BYTES = 107  # sun_path of Linux, without its final zero

# ETSI GS QKD 014.
MAX_HTTP_BODY_BYTES = 128 * 1024  # 1,024 key IDs of 52 bytes in compact JSON, of 96 in indented
MAX_HTTP_CONNECTIONS = 256
HTTP_REQUEST_TIMEOUT_S = 10.0  # for the first request's head, and for any request's body
HTTP_KEEPALIVE_S = 30.0
#: Where all connections are taken, a request that takes longer may be cut off: twice what a key takes.
HTTP_PATIENCE_S = 2.0
#: After an early refusal the rest of the body is read for this long, so that the reply is not lost.
HTTP_LINGER_S = 1.0

#: Of the log lines that outsiders can cause, one of a kind in this long.
OUTSIDER_LOG_INTERVAL_S = 10.0
#: Of the lines that one hub can cause by coming and going, so many of a kind in that long.
HUB_LOG_BURST = 5

SHUTDOWN_GRACE_S = 1.5
