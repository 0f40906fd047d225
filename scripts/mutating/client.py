"""Clients: their hubs, the keys that they deal, and what may be asked of them."""

from __future__ import annotations

from mutating.mutant import Mutant

PEER, OF_PEER = "dsked/client/hub_peer.py", ("tests/client/test_hub_peer.py",)
BACK_OFF, OF_BACK_OFF = "dsked/client/back_off.py", ("tests/client/test_back_off.py",)
OF_INITIATOR = ("tests/client/test_initiator.py", "tests/client/test_deal.py")
SCATTERING, OF_SCATTERING = "dsked/client/scattering.py", ("tests/client/test_scattering.py",)
LOCATOR = "dsked/client/locator.py"
OF_COMMON = ("tests/client/test_locator_strangers.py", "tests/engines/test_common_hubs.py")
OF_COLUMNS = ("tests/engines/test_columns.py",)

MUTANTS = (
    Mutant(
        "one hub says which client serves an encryptor",
        "dsked/client/locator.py",
        "question.named()[client] >= self._hubs.k",
        "question.named()[client] >= 1",
        ("tests/client/test_locator.py",),
    ),
    Mutant(
        "fewer than k hubs say which client serves an encryptor",
        LOCATOR,
        "question.named()[client] >= self._hubs.k",
        "question.named()[client] >= self._hubs.k - 1",
        ("tests/client/test_locator_properties.py",),
    ),
    Mutant(
        "a hub that hangs ends a question that the others could answer",
        LOCATOR,
        "most + outstanding < self._hubs.k)",
        "most + outstanding <= self._hubs.k)",
        ("tests/client/test_locator_properties.py",),
    ),
    Mutant(
        "a directory answer is kept for ever",
        "dsked/client/locator.py",
        "if entry is None or now >= entry.expires_at or entry.is_stale(now):",
        "if entry is None or entry.is_stale(now):",
        ("tests/client/test_locator.py",),
    ),
    Mutant(
        "a request relies on strangers of long ago",
        "dsked/client/locator.py",
        "if entry is None or now >= entry.expires_at or entry.is_stale(now):",
        "if entry is None or now >= entry.expires_at:",
        ("tests/client/test_locator_strangers.py",),
    ),
    Mutant(
        "strangers of long ago that do not answer in time remain strangers",
        "dsked/client/locator.py",
        "doubtful = before.strangers & question.asked if before.is_stale(now) else NO_STRANGERS",
        "doubtful = NO_STRANGERS",
        ("tests/client/test_locator_strangers.py",),
    ),
    Mutant(
        "strangers to an encryptor are dealt to",
        LOCATOR,
        "            self.strangers |= {hub}\n",
        "",
        OF_COMMON,
    ),
    Mutant(
        "what is said after k agree is not listened to",
        LOCATOR,
        "        if hub in question.said:\n            entry.said(hub, question.said[hub], now)\n",
        "",
        OF_COMMON,
    ),
    Mutant(
        "a hub that did not know an encryptor is never asked anew",
        LOCATOR,
        "        self.ask_again_at = min(self.ask_again_at, now + self.stranger_retry_s)\n",
        "        self.ask_again_at = self.expires_at\n",
        OF_COMMON,
    ),
    Mutant(
        "the first key does not wait to hear who is a stranger",
        LOCATOR,
        "        if self._is_awaited(question):\n",
        "        if False:\n",
        OF_COMMON,
    ),
    Mutant(
        "hubs that are back are not asked what they know",
        "dsked/client/engine.py",
        "        self._locator.hub_ready(hub, now)\n",
        "",
        ("tests/engines/test_common_hubs.py",),
    ),
    Mutant(
        "strangers count for the acknowledgement rule",
        "dsked/client/audience.py",
        "self._counted - strangers",
        "self._counted",
        ("tests/engines/test_common_hubs.py",),
    ),
    Mutant(
        "of several responders the hubs common to one are enough",
        LOCATOR,
        "            found |= self.strangers_to(encryptor)\n",
        "            found = self.strangers_to(encryptor)\n",
        OF_COMMON,
    ),
    Mutant(
        "n is that of the configuration, whoever is dealt to",
        "dsked/client/initiator.py",
        "Terms(PROTOCOL_VERSION, len(hubs), ",
        "Terms(PROTOCOL_VERSION, self._hubs.n, ",
        ("tests/engines/test_common_hubs.py",),
    ),
    Mutant(
        "strangers to the initiator are asked first as well",
        "dsked/client/asking.py",
        "        for some in (strange, aside):\n",
        "        for some in (aside,):\n",
        ("tests/engines/test_common_hubs.py",),
    ),
    Mutant(
        "strangers that gave a share are not told that it is rebuilt",
        "dsked/client/responder.py",
        "            strangers -= {hub.index for hub in self._hubs if hub.x in have}\n",
        "            pass\n",
        ("tests/engines/test_common_hubs.py",),
    ),
    Mutant(
        "x-coordinates by the order of hubs, not as configured",
        PEER,
        "        self.x = x\n",
        "        self.x = index + 1\n",
        (*OF_PEER, "tests/client/test_initiator.py", "tests/client/test_responder.py"),
    ),
    Mutant(
        "the back-off begins anew though nothing was verified",
        BACK_OFF,
        "        if carried_frames:\n",
        "        if reached:\n",
        OF_BACK_OFF,
    ),
    Mutant(
        "the back-off begins anew after an alarm",
        BACK_OFF,
        "        carried_frames = carried_frames and not alarmed\n",
        "",
        OF_BACK_OFF,
    ),
    Mutant(
        "the engine does not tell the back-off of an alarm",
        "dsked/client/engine.py",
        "alarmed=hub.alarmed",
        "alarmed=False",
        ("tests/engines/test_media.py",),
    ),
    Mutant(
        "a hub that refuses TCP shortens the long back-off",
        BACK_OFF,
        "            delay = self.unreachable_delay_s\n",
        "            delay, self.handshake_delay_s = self.unreachable_delay_s, RECONNECT_FIRST_S\n",
        OF_BACK_OFF,
    ),
    Mutant(
        "blocks that nobody asked for",
        PEER,
        "            return self._refill_of(owner).nr_asked > 0\n",
        "            return True\n",
        ("tests/attacks/test_hubs_against_a_client.py",),
    ),
    Mutant(
        "blocks out of sequence",
        PEER,
        "        if block.sequence != store.next_sequence:\n"
        "            return block.sequence < store.next_sequence  # asked twice: the same bytes again\n",
        "",
        (*OF_PEER, "tests/attacks/test_hubs_against_a_client.py"),
    ),
    Mutant(
        "a request that fewer than k hubs hold is answered",
        "dsked/client/deal.py",
        "return max(k, min(k + (n - k) // 2, counted))",
        "return min(k + (n - k) // 2, counted)",
        OF_INITIATOR,
        more=(
            (
                "return len(self.acked) - request.refused_by(self.acked)",
                "return len(self.acked)",
            ),
        ),
    ),
    Mutant(
        "fewer than k sessions do not fail at once",
        "dsked/client/audience.py",
        "        if len(taking) < self._hubs.k:\n",
        "        if not taking:\n",
        OF_INITIATOR,
    ),
    Mutant(
        "a refusal is an acknowledgement",
        SCATTERING,
        "_TAKEN = (ErrorCode.OK, ErrorCode.DONE)\n",
        "_TAKEN = (ErrorCode.OK, ErrorCode.DONE, ErrorCode.CONFLICT)\n",
        OF_INITIATOR,
    ),
    Mutant(
        "a refusal of one of many keys is an acknowledgement",
        "dsked/client/deal.py",
        "return len(self.acked) - request.refused_by(self.acked)",
        "return len(self.acked)",
        (*OF_INITIATOR, *OF_COLUMNS),
    ),
    Mutant(
        "a refusal of a key concerns all requests of its turn",
        "dsked/client/deal.py",
        "in self._in_order[begin:end]:",
        "in self._in_order:",
        (*OF_INITIATOR, *OF_COLUMNS),
    ),
    Mutant(
        "codes of a wrong number are taken as far as they go",
        SCATTERING,
        "        if len(codes) != number:\n",
        "        if not codes:\n",
        (*OF_INITIATOR, *OF_COLUMNS),
    ),
    Mutant(
        "a request gets the keys of another one of its turn",
        "dsked/client/deal.py",
        "        ids = request.start * KEY_ID_BYTES\n",
        "        ids = 0\n",
        (*OF_INITIATOR, *OF_COLUMNS),
        more=(
            (
                "self.keys[(request.start + i) * size : (request.start + i + 1) * size]",
                "self.keys[i * size : (i + 1) * size]",
            ),
        ),
    ),
    Mutant(
        "a hub that refused and acknowledges later counts",
        "dsked/client/deal.py",
        "        self.acked.add(hub)\n",
        "        self.acked.add(hub)\n"
        "        for request in self.requests:\n"
        "            (request.refusals or {}).pop(hub, None)\n",
        (*OF_INITIATOR, *OF_COLUMNS),
    ),
    Mutant(
        "shares are sent when their time is out",
        "dsked/client/put_frames.py",
        "return not self.deal.abandoned and now < self.deal.expires_at\n",
        "return not self.deal.abandoned\n",
        OF_INITIATOR,
    ),
    Mutant(
        "shares of a request that failed are sent",
        "dsked/client/put_frames.py",
        "return not self.deal.abandoned and now < self.deal.expires_at\n",
        "return now < self.deal.expires_at\n",
        OF_INITIATOR,
    ),
    Mutant(
        "a hub that takes nothing is waited for without end",
        PEER,
        "            if request_id > self._heard_at:\n",
        "            if not request_id:\n",
        OF_PEER,
    ),
    Mutant(
        "a hub that has answered meanwhile is taken for one that hangs",
        PEER,
        "            if request_id > self._heard_at:\n",
        "            if request_id:\n",
        OF_PEER,
    ),
    Mutant(
        "shares of a request that has failed leave when the window opens",
        SCATTERING,
        "        if one.abandoned:\n",
        "        if not one:\n",
        OF_SCATTERING,
    ),
    Mutant(
        "shares of a key that is there are taken back with those of a request that failed",
        SCATTERING,
        "        if not wanted:\n",
        "        if len(wanted) < len(sent.in_flight):\n",
        OF_SCATTERING,
    ),
    Mutant(
        "all shares that have not left are taken back when a request is answered",
        SCATTERING,
        "        if one.abandoned:\n",
        "        if True:\n",
        OF_SCATTERING,
        more=(("for item, _ in sent.in_flight if not item.deal.abandoned]", "for item, _ in () if item]"),),
    ),
    Mutant(
        "what waits for a window has no end",
        "dsked/client/pace.py",
        "        return self.free >= 0 or pads - self.free <= self._behind\n",
        "        return True\n",
        ("tests/client/test_pace.py", "tests/distance/test_windows.py"),
    ),
    Mutant(
        "whoever asks is an encryptor of this client",
        "dsked/client/requests.py",
        "    if caller not in encryptors:\n",
        "    if not caller:\n",
        ("tests/client/test_requests.py",),
    ),
    Mutant(
        "keys that are established at once have no limit",
        "dsked/client/initiator.py",
        "        if not self._under_way.fits(encryptor, size, MAX_KEY_BYTES_UNDER_WAY):\n",
        "        if not size:\n",
        ("tests/attacks/test_local_users_against_a_client.py",),
    ),
)
