"""Hubs: whose share it is, who gets it, and how much there may be."""

from __future__ import annotations

from mutating.mutant import Mutant

STORE, DESK = "dsked/hub/share_store.py", "dsked/hub/share_desk.py"
OF_STORE = ("tests/hub/test_share_store.py",)
OF_DESK = (
    "tests/hub/test_get_shares.py",
    "tests/hub/test_sessions.py",
    "tests/attacks/test_clients_against_a_hub.py",
)
OF_SERVER = ("tests/net/test_hub_server.py",)

MUTANTS = (
    Mutant(
        "a share goes to clients that are not named",
        STORE,
        "        if responder_client not in stored.codes:\n            return ErrorCode.NOT_NAMED\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "a share goes to a second process of its client",
        STORE,
        "        if stored.delivered_to.setdefault(responder_client, boot_id) != boot_id:\n",
        "        if not boot_id:\n",
        OF_STORE,
    ),
    Mutant(
        "a confirmed share is given again",
        STORE,
        "        if responder_client in stored.confirmed:\n            return ErrorCode.DONE\n",
        "",
        (*OF_STORE, "tests/attacks/test_clients_against_a_hub.py"),
    ),
    Mutant(
        "a share of which pieces are missing is given",
        STORE,
        "        if not stored.complete:\n            return ErrorCode.UNKNOWN_KEY\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "other content overwrites",
        STORE,
        "            return ErrorCode.CONFLICT\n        if stored.confirmed_by_all:\n",
        "            self._remove(share_id, stored)\n"
        "            return self._store(now, share_id, terms, piece, codes, ttl_s)\n"
        "        if stored.confirmed_by_all:\n",
        OF_STORE,
    ),
    Mutant(
        "other code shares are no conflict",
        STORE,
        "if stored.terms != terms or (offset == 0 and stored.codes != codes):",
        "if stored.terms != terms:",
        OF_STORE,
    ),
    Mutant(
        "other terms are no conflict",
        STORE,
        "if stored.terms != terms or (offset == 0 and stored.codes != codes):",
        "if offset == 0 and stored.codes != codes:",
        OF_STORE,
    ),
    Mutant(
        "other share bytes are no conflict",
        STORE,
        "        if stored.share[offset : offset + len(piece)] != piece[: have - offset]:\n",
        "        if False:\n",
        OF_STORE,
    ),
    Mutant(
        "a late share of a key that is done with is stored again",
        STORE,
        "            if all(self._is_gone(share_id, party.client) for party in terms.responders):\n",
        "            if not terms.responders:\n",
        OF_STORE,
    ),
    Mutant(
        "a share that timed out leaves no tombstone",
        STORE,
        "                self._tombstones.add((share_id[0], _EVERYONE), share_id[1], now, self.timeout_s)\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "shares do not time out",
        STORE,
        "        while left and self._steps and self._steps[0] * _STEP_S <= now:\n",
        "        while left and self._steps and self._steps[0] * _STEP_S <= 0:\n",
        OF_STORE,
    ),
    Mutant(
        "the initiator says how long a hub keeps shares",
        STORE,
        "now + min(ttl_s, self.timeout_s)",
        "now + ttl_s",
        OF_STORE,
    ),
    Mutant(
        "whoever likes confirms a key",
        STORE,
        "        if stored is not None and responder_client not in stored.codes:\n",
        "        if stored is not None and not stored.codes:\n",
        OF_STORE,
    ),
    Mutant(
        "a responder's tombstones have no limit",
        STORE,
        "        has_room = self._nr_tombstones[responder_client] < MAX_TOMBSTONES_PER_CLIENT\n",
        "        has_room = True\n",
        (*OF_STORE, "tests/attacks/test_clients_against_a_hub.py"),
    ),
    Mutant(
        "long names have no limit",
        STORE,
        "stored.responder_bytes\n            <= MAX_PENDING_RESPONDER_BYTES_PER_CLIENT",
        "stored.responder_bytes < 10**12",
        (*OF_STORE, "tests/attacks/test_clients_against_a_hub.py"),
    ),
    Mutant(
        "the initiator's client is what its encryptor says, not what the session says",
        DESK,
        "codes.extend(self._put_group(connection.client, group, now))",
        "client = self._directory.owner(group.initiator) or connection.client\n"
        "            codes.extend(self._put_group(client, group, now))",
        OF_DESK,
    ),
    Mutant(
        "a client deals keys of another client's encryptor",
        DESK,
        "        if group.initiator not in self._directory.registered(client):\n",
        "        if not group.initiator:\n",
        OF_DESK,
    ),
    Mutant(
        "more keys in a frame than it may carry",
        DESK,
        "    if number > MAX_KEYS_PER_FRAME:\n",
        "    if number > 10**9:\n",
        OF_DESK,
    ),
    Mutant(
        "a client says how long a hub parks",
        DESK,
        "min(message.wait_ms / 1000, MAX_PARK_S)",
        "message.wait_ms / 1000",
        (*OF_DESK, "tests/hub/test_parking.py"),
    ),
    Mutant(
        "parked keys have no limit",
        "dsked/hub/parking.py",
        "self._nr_keys[client] >= MAX_PARKED_KEYS_PER_CLIENT",
        "self._nr_keys[client] < 0",
        ("tests/hub/test_parking.py",),
    ),
    Mutant(
        "what waits on a lost connection goes on waiting",
        "dsked/hub/parking.py",
        "        for parked in list(self._by_connection.get(connection, ())):\n"
        "            self.remove(parked)\n",
        "        pass\n",
        ("tests/hub/test_parking.py",),
    ),
    Mutant(
        "a client claims encryptors of others",
        "dsked/hub/encryptors.py",
        "        return owner == client or (owner is None and self._first_come)\n",
        "        return True\n",
        ("tests/hub/test_encryptors.py",),
    ),
    Mutant(
        "first come, first served beside a configured list",
        "dsked/hub/encryptors.py",
        "(owner is None and self._first_come)",
        "owner is None",
        ("tests/hub/test_encryptors.py",),
    ),
    Mutant(
        "some names of a refused claim are taken",
        "dsked/hub/encryptors.py",
        "        if refused:\n            return refused\n",
        "",
        ("tests/hub/test_encryptors.py",),
    ),
    Mutant(
        "two sessions of one client at once",
        "dsked/hub/engine.py",
        "        self._end_session(connection.client)\n"
        "        self._sessions[connection.client] = connection\n",
        "        self._sessions[connection.client] = connection\n",
        (*OF_DESK, "tests/net/test_hub_server.py"),
    ),
    Mutant(
        "two handshakes of one client at once",
        "dsked/hub/engine.py",
        "        old = self._half_open.pop(connection.client, None)\n        if old is not None:\n"
        "            self._close(old)\n",
        "",
        OF_DESK,
    ),
    Mutant(
        "a block of which bytes are used is given again",
        "dsked/psrd/store.py",
        "        untouched = block.info.start >= self._wiped\n",
        "        untouched = True\n",
        ("tests/hub/test_simulated.py", "tests/psrd/test_store.py"),
    ),
    Mutant(
        "a block that is asked for again has other bytes",
        "dsked/hub/simulated.py",
        "            return self._deliver(owner, *found)\n        if request",
        "            return self._deliver(owner, found[0], self._random(len(found[1])))\n        if request",
        ("tests/hub/test_simulated.py",),
    ),
    Mutant(
        "blocks of other streams are given",
        "dsked/hub/simulated.py",
        "        if request.stream != pool.stream_id:\n",
        "        if not request.stream:\n",
        ("tests/hub/test_simulated.py",),
    ),
    Mutant(
        "strangers have no time limit",
        "dsked/net/hub_server.py",
        "    def _too_slow(self, connection: HubConnection) -> None:\n",
        "    def _too_slow(self, connection: HubConnection) -> None:\n        return\n",
        OF_SERVER,
    ),
    Mutant(
        "strangers of one address have no limit",
        "dsked/net/hub_server.py",
        "        if len(neighbours) >= self._limits.max_unauthenticated_per_address:\n",
        "        if not address:\n",
        OF_SERVER,
    ),
    Mutant(
        "strangers in all have no limit",
        "dsked/net/hub_server.py",
        "len(self._strangers) + pending < limits.max_unauthenticated_connections",
        "len(self._strangers) >= 0",
        OF_SERVER,
    ),
    Mutant(
        "strangers push out who has shown a gate key",
        "dsked/net/hub_server.py",
        "        if connection.pair is not None:\n            self._no_stranger",
        "        if connection.stage is Stage.OPEN:\n            self._no_stranger",
        OF_SERVER,
    ),
    Mutant(
        "connections have no limit",
        "dsked/net/hub_server.py",
        "        if len(self._protocols) >= self._limits.max_connections and not self._strangers:\n",
        "        if not address:\n",
        OF_SERVER,
    ),
    Mutant(
        "pending shares have no limit",
        STORE,
        "nr_shares < self._limits.max_pending_shares_per_client",
        "nr_shares >= 0",
        OF_STORE,
    ),
    Mutant(
        "bytes of pending shares have no limit",
        STORE,
        "self._nr_bytes[client] + stored.size <= self._limits.max_pending_share_bytes_per_client",
        "stored.size >= 0",
        OF_STORE,
    ),
    Mutant(
        "tombstones of shares that timed out have no limit",
        STORE,
        "nr_shares + self._nr_expired[client] < MAX_TOMBSTONES_PER_CLIENT",
        "nr_shares >= 0",
        OF_STORE,
    ),
)
