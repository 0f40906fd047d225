"""Stored keys: none twice, none too late, none that too few hubs hold, and never at the cost of requests."""

from __future__ import annotations

from mutating.mutant import Mutant

STORE, PLACE = "dsked/client/stored_keys.py", "dsked/client/stored_place.py"
HOLDERS = "dsked/client/holders.py"
OF_HOLDERS = ("tests/client/test_stored_keys.py",)
OF_STORE = (
    "tests/client/test_stored_keys.py",
    "tests/engines/test_stored_keys.py",
    "tests/engines/test_stored_keys_time.py",
    "tests/engines/test_stored_keys_hubs.py",
    "tests/engines/test_stored_keys_directory.py",
    "tests/engines/test_stored_keys_cost.py",
)
OF_CLOCK = ("tests/net/test_turns.py",)

MUTANTS = (
    Mutant(
        "hubs that do not know an encryptor count as holders of its stored keys",
        STORE,
        "        unsure = self._locator.unsure(place.pair.responder)\n",
        "        unsure = self._locator.unsure('')\n",
        ("tests/engines/test_common_hubs.py",),
    ),
    Mutant(
        "a stored key stays in the store",
        PLACE,
        "            del lot.keys[:some]\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "stored keys are handed out while k hubs hold them, however many have acknowledged",
        STORE,
        "max(k, min(nr_awaited(n, k, len(hubs)), lot.nr_acked))",
        "k",
        OF_STORE,
    ),
    Mutant(
        "fewer than k hubs are enough for a stored key",
        STORE,
        "max(k, min(nr_awaited(n, k, len(hubs)), lot.nr_acked))",
        "min(nr_awaited(n, k, len(hubs)), 1)",
        OF_STORE,
    ),
    Mutant(
        "more hubs than ever took a stored key are asked for",
        STORE,
        "max(k, min(nr_awaited(n, k, len(hubs)), lot.nr_acked))",
        "nr_awaited(n, k, len(hubs))",
        OF_STORE,
    ),
    Mutant(
        "another process of a hub is taken for the holder",
        HOLDERS,
        "holder.boot_id == hub.boot_id and now < holder.until",
        "now < holder.until",
        OF_HOLDERS,
    ),
    Mutant(
        "a holder's time does not run out",
        HOLDERS,
        "holder.boot_id == hub.boot_id and now < holder.until",
        "holder.boot_id == hub.boot_id",
        OF_HOLDERS,
    ),
    Mutant(
        "the share time-out that a hub told is not looked at",
        HOLDERS,
        "            timeout_s = min(self._share_timeout_s, hub.share_timeout_ms / 1000)\n",
        "            timeout_s = self._share_timeout_s\n",
        OF_HOLDERS,
    ),
    Mutant(
        "stored keys leave no time to fetch them",
        HOLDERS,
        "self._dealt_at + STORED_KEY_LIFE * timeout_s",
        "self._dealt_at + timeout_s",
        (*OF_HOLDERS, "tests/engines/test_stored_keys_time.py"),
    ),
    Mutant(
        "a hub that has refused a part of the shares is a holder",
        HOLDERS,
        "        same = taken and self._partly.get(",
        "        same = self._partly.get(",
        OF_HOLDERS,
    ),
    Mutant(
        "parts of the shares may be with two processes of a hub",
        HOLDERS,
        "        same = taken and self._partly.get(hub.index, boot_id) == boot_id\n",
        "        same = taken\n",
        OF_HOLDERS,
    ),
    Mutant(
        "a hub that answers for the first part of the shares is a holder",
        HOLDERS,
        "        if last and same and boot_id != NO_BOOT:\n",
        "        if same and boot_id != NO_BOOT:\n",
        OF_HOLDERS,
    ),
    Mutant(
        "one hub ends stored keys by a short share time-out",
        PLACE,
        "        return lot.holders.until(self._k)",
        "        return lot.holders.until(len(lot.holders))",
        OF_STORE,
    ),
    Mutant(
        "stored keys for a client that serves the responder no more are handed out",
        STORE,
        "        if client is not None:\n            place.keep_those_of(client)\n",
        "        if client is not None:\n            pass\n",
        OF_STORE,
    ),
    Mutant(
        "the directory is not asked while stored keys are in use",
        STORE,
        "            self._locator.locate(responder, now, _nobody_waits)\n",
        "            pass\n",
        OF_STORE,
    ),
    Mutant(
        "stored keys do not wait for want of PSRD",
        "dsked/client/spare.py",
        '        return f"the PSRD of hub {low.name} is low: it is left for requests" '
        'if low is not None else ""\n',
        '        return ""\n',
        OF_STORE,
    ),
    Mutant(
        "stored keys take the windows that requests need",
        "dsked/client/audience.py",
        "        return all(room.spares(pads) for room in self.rooms.values())\n",
        "        return all(room.fits(pads) for room in self.rooms.values())\n",
        (*OF_STORE, "tests/client/test_pace.py"),
    ),
    Mutant(
        "any number of keys is established ahead in one go",
        STORE,
        "                budget -= number\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "one pair's stored keys take the turn of the others'",
        STORE,
        "        self._places[key] = self._places.pop(key)  # the others come first the next time\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "stored keys are looked after at every request",
        STORE,
        "        at = max(at, self._looked_at + STORED_KEY_INTERVAL_S)\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "a pair whose keys cannot be stored is tried again and again",
        PLACE,
        "        self._delay_s = min(2 * self._delay_s, STORED_KEY_RETRY_MAX_S)\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "hubs that restart have a store filled as often",
        PLACE,
        "        self.next_try = now + self._loss_delay_s\n",
        "        self.next_try = now\n",
        ("tests/engines/test_stored_keys_hubs.py",),
    ),
    Mutant(
        "losses put off the next try for ever",
        PLACE,
        "        if now < self.next_try:\n            return\n        if now >=",
        "        if now >=",
        ("tests/engines/test_stored_keys_hubs.py", *OF_HOLDERS),
    ),
    Mutant(
        "what cannot be handed out is not replaced",
        PLACE,
        "[lot for lot in self.lots if lot.usable and now < self._ends(lot) - self._ahead_s]",
        "[lot for lot in self.lots if now < self._ends(lot) - self._ahead_s]",
        ("tests/engines/test_stored_keys_hubs.py",),
    ),
    Mutant(
        "stored keys are replaced when they have expired",
        PLACE,
        "[lot for lot in self.lots if lot.usable and now < self._ends(lot) - self._ahead_s]",
        "[lot for lot in self.lots if lot.usable]",
        OF_STORE,
    ),
    Mutant(
        "keys of hubs that are back are more than are wanted",
        STORE,
        "        return min(sum(len(lot.keys) for lot in self._good(place, now)), place.pair.count)\n",
        "        return sum(len(lot.keys) for lot in self._good(place, now))\n",
        OF_STORE,
    ),
    Mutant(
        "keys whose hubs are away are kept without a limit",
        PLACE,
        "        self._lost += self._drop_surplus(others, self.size - 2 * self.pair.count)\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "keys that were under way are stored after the stop",
        STORE,
        "        if self._stopped:\n            return\n        if isinstance(outcome, DskedError):\n",
        "        if isinstance(outcome, DskedError):\n",
        OF_STORE,
    ),
    Mutant(
        "a hub that restarted while keys were established is a holder",
        STORE,
        "        for hub in self._hubs:\n            holders.has_lost(hub)\n",
        "",
        OF_STORE,
    ),
    Mutant(
        "stored keys do not grow old while the machine sleeps",
        "dsked/net/turns.py",
        "    return time.clock_gettime(time.CLOCK_BOOTTIME)\n",
        "    return time.monotonic()\n",
        OF_CLOCK,
    ),
    Mutant(
        "a timer is set by the wrong clock",
        "dsked/net/turns.py",
        "        at = self._loop.time() + left_s\n",
        "        at = deadline\n",
        OF_CLOCK,
    ),
)
