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
#: Own proofs whose hash keys are remembered as long as the peer has verified none of them.
MAX_UNANSWERED_PROOFS = 8
#: Message wrapping: ChaCha20-Poly1305, RFC 8439, section 2.8.
WRAP_KEY_BYTES = 32
AEAD_NONCE_BYTES = 12
#: What WRAP takes of a pool: its mask, and the key.
WRAP_PAD_BYTES = MASK_BYTES + WRAP_KEY_BYTES

MAX_HANDSHAKE_BYTES = 512  # one of M0 to M4, its length prefix not counted
MAX_OFFERED_CIPHERS = 16  # of message wrapping, in M1
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
#: What wrapping adds: 6 bytes of msgpack's heads, and a tag. The frame's length prefix does not travel.
WRAPPED_OVERHEAD_BYTES = 6 + 16
MAX_WRAPPED_BYTES = MAX_FRAME_BYTES + WRAPPED_OVERHEAD_BYTES
MAX_KEYS_PER_FRAME = 1024
#: Clients to which a hub gives numbers in one session: some 200 bytes each in two tables, 12 MiB.
MAX_LOCAL_IDENTIFIERS = 65_536

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
#: A pair with fewer bytes for ordinary frames is used up: new keys go to other hubs. What is left is for
#: fetching the shares that it holds already.
USED_UP_BYTES = 1024
#: It may be asked for them while it has so many: for the tag of a question or of an answer, and for what
#: begins the next session, a handshake and a registration.
LAST_QUESTION_BYTES = HANDSHAKE_PAD_BYTES + 2 * MASK_BYTES
#: The durable store reserves what about so many seconds use, and never less than this many bytes.
RESERVATION_S = 1.0
MIN_RESERVATION_BYTES = 4096
#: Used bytes are overwritten on the disk within this long.
WIPE_INTERVAL_S = 1.0
#: Overwriting is synced in pieces of this size; after a crash so much of a pool is overwritten once more.
WIPE_SYNC_BYTES = 1024 * 1024
#: Open block files of a node, for reading and again for overwriting, however many pools it has.
MAX_OPEN_BLOCK_FILES = 32
#: Seconds that a node which starts waits for its state directory: a process that was killed gives it back
#: when the kernel has closed its files, and a bundle may be on its way in.
STATE_LOCK_WAIT_S = 1.0
#: Chunks of 4 KiB that streams on media have in memory, all together: 4 MiB, and no more for idle clients.
MAX_CHUNKS_IN_MEMORY = 1024
#: A run of so many zeros in a pool is taken for a damaged file; by chance once in 2^128 places.
ZERO_RUN_BYTES = 16
#: Plain messages that wait in a session for pads, for the window or for a slow reader.
MAX_OUTBOX_BYTES = 16 * 1024 * 1024
MAX_OUTBOX_MESSAGES = 65_536  # small ones weigh more in memory than on the wire

DEFAULT_BASE_PORT = 8100
#: In place of a host to listen on: all addresses, IPv4 and IPv6. `::` are those of IPv6 alone.
ALL_ADDRESSES = "*"
DEFAULT_SKIP_BASE_PORT = 8200
DEFAULT_METRICS_BASE_PORT = 9464
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
#: Keys established ahead for one pair of encryptors and one size.
MAX_STORED_KEYS_PER_PAIR = 1024

#: Of all pairs of a client together, with their bytes: an eighth of what a hub holds for it.
MAX_STORED_KEYS = 4096
MAX_STORED_KEY_BYTES = 8 * 1024 * 1024
#: The largest stored key: with its codes it leaves a quarter of the smallest window free.
MAX_STORED_KEY_SIZE_BITS = 65_536
#: Of the time for which hubs hold shares, the part in which a stored key is handed out: the rest is left for
#: its ID to reach the other end, and for the responder to fetch it.
STORED_KEY_LIFE = 0.75
#: Those that have so long to go are replaced already, at the most a quarter of their life.
STORED_KEY_AHEAD_S = 2.0
#: Stored keys are established every so often at most, so many in one go.
STORED_KEY_INTERVAL_S = 0.25
STORED_KEYS_PER_INTERVAL = 128
#: What hinders that is looked at again after so long; after each failure or loss of a pair twice as long.
STORED_KEY_RETRY_S = 1.0
STORED_KEY_RETRY_MAX_S = 60.0
#: Of every window of a media pool, this part is left for requests when keys are stored.
KEPT_WINDOW_FRACTION = 4

#: Wait for acknowledgements: k at least; once k are in, this much longer for the others.
ACK_GRACE_S = 0.05
ACK_LIMIT_S = 0.8
#: What would be acknowledged later than this, behind what waits for the window of a media pool, is refused:
#: three quarters of ACK_LIMIT_S, since acknowledgements do not come as regularly as they are expected.
PACE_LIMIT_S = 0.6
#: A responder asks again until this deadline while fewer than k good shares are in hand.
FETCH_DEADLINE_S = 1.0
RETRY_FIRST_S = 0.02
RETRY_MAX_S = 0.25
#: Subsets of shares that are searched when decoding fails: C(m, k) at most.
MAX_SUBSETS = 2**14

DIRECTORY_TTL_S = 30.0
#: An entry in use is asked for anew from half its life on; again after so long where k hubs did not agree.
DIRECTORY_RETRY_S = 5.0
#: Once k hubs agree, an initiator waits so long for the others to say whether they know the encryptor.
DIRECTORY_GRACE_S = 0.05
#: An entry with hubs that do not know the encryptor is asked for anew so soon, then after twice as long.
DIRECTORY_STRANGER_RETRY_S = 1.0
MAX_CACHED_ENCRYPTORS = 65_536
#: Confirmations travel with the next GET_SHARES, or alone after this long.
DONE_FLUSH_S = 5.0

CONNECT_TIMEOUT_S = 3.0
#: An address of a name that has not answered for so long: the next one is tried too (RFC 8305, section 5).
NEXT_ADDRESS_S = 0.25
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

#: Bytes of one connection that are acted upon in one turn, or one frame that is longer: some 500 of the
#: smallest frames, about 10 ms. What else has come waits for the next turn, behind the other connections'.
MAX_TURN_BYTES = 32 * 1024
#: Frames are sealed for one write until they have so many bytes; what else can leave follows a turn later.
MAX_WRITE_BYTES = 128 * 1024
#: A client's requests that come beside others gather until so many iterations of the event loop, 1 us each,
#: have brought nothing, but for GATHER_S at most: what leaves together shares frames. Over HTTP a request
#: reaches the engine two iterations after its bytes. Three to twenty iterations serve equally well.
GATHER_QUIET_ITERATIONS = 5
GATHER_S = 0.005
#: Connections that one listening socket accepts in a turn, at 0.1 ms each; the others wait in the backlog.
MAX_ACCEPTS_PER_TURN = 8
LISTEN_BACKLOG = 1024
#: Without a file descriptor left, or memory, nothing is accepted for so long.
ACCEPT_PAUSE_S = 0.05

#: Memory that a process has freed and keeps for what comes next: what a key of the largest size takes at a
#: responder with five hubs. Larger blocks than these are not kept; more is fetched in such steps.
KEPT_FREED_BYTES = 64 * 1024 * 1024
LARGEST_KEPT_BYTES = 16 * 1024 * 1024
MORE_MEMORY_BYTES = 1024 * 1024

# File descriptors. A start takes some 20 (standard streams, event loop, locks, marks, listening sockets), and
# finding a host's address or reading a file a few for a moment.
SPARE_DESCRIPTORS = 32
#: Of what is left beside these, block files may have a quarter, control connections a quarter.
DESCRIPTORS_FRACTION = 4
MIN_DESCRIPTORS = 16  # beside SPARE_DESCRIPTORS: with fewer a node does not start

# Hub.
#: One per client, and strangers; 5 KiB each with a session, 10 with wrapping, beside pads in memory.
MAX_CONNECTIONS = 10_000
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
#: Clients that a hub tells in one turn that it drains, at some 20 us each; the next ones a moment later.
MAX_TOLD_PER_TURN = 256
TELLING_INTERVAL_S = 0.005
#: Shares that are removed in one turn because their time is out, at 7 us each; and tombstones, at 0.15 us.
MAX_EXPIRED_PER_TURN = 512
MAX_FORGOTTEN_PER_TURN = 32_768
MAX_PARKED_KEYS_PER_CLIENT = 4096
#: Of the time that a client waits for an answer, the part in which shares may wait for the window of a media
#: pool: with both ways over a distance they come in time, then.
WINDOW_PATIENCE = 0.5
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
#: Beside its keys, what a key's code for each further responder client counts there: making and sending one
#: takes as long as some 2 KiB of key. 1,024 keys for 32 clients come to 8 MiB, and are still taken.
FURTHER_CODE_BYTES = 256
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
#: How long a program waits for an answer unless it says otherwise: a node answers requests within some 2 s.
CONTROL_ANSWER_S = 5.0
MAX_CONTROL_ANSWER_S = 3600.0
MIN_CONTROL_ANSWER_S = 0.001  # what systems' clocks for waiting can tell apart
#: Nobody accepts connections for the moment: how soon the asyncio client tries again, within its time.
CONTROL_BACKLOG_RETRY_S = 0.01
#: Replies that a local user has not read: 16 of the largest; then the connection that brings more is closed.
MAX_CONTROL_UNREAD_BYTES = 16 * MAX_CONTROL_FRAME_BYTES
#: Clients of which one reply to STATUS tells; more are asked for one page after the other, some 3 ms each.
STATUS_PEERS = 100
#: Blocks of pools in one reply, 130 bytes each, shared by its pools; a pool shows the least number anyway.
STATUS_BLOCKS = 2000
MIN_STATUS_BLOCKS_OF_POOL = 4
#: How often pools are looked at, a page of them, to know how fast they are used.
WATCH_POOLS_S = 60.0
#: A page of a status that took longer than this (20 peers do) is given for so many times as long as it took,
#: and other pages wait: a fifth of a core, and 2 s for 10,000 clients.
LONG_STATUS_S = 0.0005
STATUS_KEPT_TIMES = 4
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

# Mutual TLS.
TLS_HANDSHAKE_TIMEOUT_S = 5.0  # two round trips of 0.5 s (satellites), and signing cards that take their time
#: So long an end waits for the other's close_notify.
TLS_CLOSE_TIMEOUT_S = 1.0
#: This part of max_http_connections is for handshakes, and for who has shown no certificate of an encryptor.
TLS_STRANGERS_FRACTION = 4
#: TLS 1.2 sessions, 10 KiB each, before OpenSSL is made to forget them: by itself it keeps 20,480.
MAX_TLS_SESSIONS = 512
#: Characters of a certificate's subject that a log line shows.
MAX_SHOWN_SUBJECT = 200
#: A file of certificates that `dskectl certs inspect` reads.
MAX_CERTIFICATE_FILE_BYTES = 1024 * 1024

# SKIP.
DEFAULT_SKIP_BITS = 256  # of keys and of random strings, as the draft has it
MAX_SKIP_ENTROPY_BITS = 65_536  # one random string: 8 KiB
#: Pre-shared keys of TLS-PSK: as strong as keys of 128 bits at least, and as long as OpenSSL takes at most.
MIN_PSK_BYTES = 16
MAX_PSK_BYTES = 256
#: TLS 1.2 sessions whose PSK identity is remembered: as many as OpenSSL remembers for one context at most.
MAX_PSK_SESSIONS = 20_480

#: Of the log lines that outsiders can cause, one of a kind in this long.
OUTSIDER_LOG_INTERVAL_S = 10.0
#: Of the lines that one hub can cause by coming and going, so many of a kind in that long.
HUB_LOG_BURST = 5
#: Of the lines of one place in the code, whatever they are about, so many in that long; of tracebacks, fewer.
LOG_BURST = 100
LOG_TRACEBACK_BURST = 5

#: The audit log: what is written to it is on the disk after this long, and survives the machine's crash.
AUDIT_SYNC_S = 1.0
#: Keys in a line of it; those of a request that has more stand in several.
AUDIT_KEYS_PER_LINE = 128
#: No line is longer: 128 key IDs of 39 bytes, 255 hubs, 32 responders with 6 bytes for each of their names'.
MAX_AUDIT_LINE_BYTES = 128 * 1024
#: Refusals of one kind and encryptor that are written down in OUTSIDER_LOG_INTERVAL_S; the rest is counted.
AUDIT_REFUSAL_BURST = 10

#: So long a node that stops finishes what it has accepted; a connection that lingers is then cut off.
SHUTDOWN_GRACE_S = 1.5

# Metrics.
#: Of more peers there are no series for each, but for all together: 100 are 1,400 series and 12 ms of a core.
MAX_PEERS_WITH_SERIES = 100
#: Peers that are looked at in one turn of the event loop, 4 us each, or 11 where they have series.
PEERS_PER_SCRAPE_SLICE = 100
#: A scrape is given to whoever asks for so many times as long as it took to make: a twentieth of a core.
SCRAPE_KEPT_TIMES = 20
MAX_METRICS_CONNECTIONS = 8
MAX_METRICS_REQUEST_BYTES = 8192
METRICS_TIMEOUT_S = 10.0  # for the request, and for the reply to be taken

# The service manager.
#: A daemon gives a sign of life so often, or twice in the time that its watchdog waits.
MANAGER_BEAT_S = 10.0
#: While it waits for its hubs, it asks each time for so much more time to start: two beats may be late.
MANAGER_PATIENCE_S = 30
