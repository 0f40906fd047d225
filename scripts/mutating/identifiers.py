"""Local identifiers: one name for a number, told before use, of the hub's own clients, in one session."""

from __future__ import annotations

from mutating.mutant import Mutant

TABLE = ("tests/wire/test_local_identifiers.py",)
SESSION = ("tests/wire/test_session_identifiers.py",)
ENGINES = ("tests/engines/test_local_identifiers.py",)
HUB = ("tests/hub/test_client_identifiers.py",)
_TABLE, _SESSION = "dsked/wire/local_identifiers.py", "dsked/wire/session.py"

MUTANTS = (
    Mutant("a number may get another name", _TABLE, "if known != name or self", "if self", TABLE),
    Mutant(
        "a name may get another number",
        _TABLE,
        " or self._identifiers.setdefault(name, identifier) != identifier:\n",
        ":\n",
        TABLE,
        more=(
            (
                "            known = self._names.setdefault(identifier, name)\n",
                "            known = self._names.setdefault(identifier, name)\n"
                "            self._identifiers[name] = identifier\n",
            ),
        ),
    ),
    Mutant(
        "a client takes identifiers without end",
        _TABLE,
        "if len(self._names) > MAX_LOCAL_IDENTIFIERS:",
        "if False:",
        TABLE,
    ),
    Mutant(
        "an identifier that nobody has defined is let through",
        _TABLE,
        "        if name is None:\n            raise FrameError(",
        "        if name is None:\n            return str(identifier)\n            raise FrameError(",
        TABLE,
    ),
    Mutant(
        "confirmations in a PING keep their identifiers",
        _TABLE,
        "    _name_initiators(ping.done, name_of)\n",
        "    pass\n",
        TABLE,
    ),
    Mutant(
        "the responders of a share keep their identifiers",
        _TABLE,
        "        _name_parties(group.responders, name_of)\n    _name_initiators(shares.missing, name_of)\n",
        "    _name_initiators(shares.missing, name_of)\n",
        TABLE,
    ),
    Mutant(
        "a hub tells of a client again and again",
        _TABLE,
        "                self._given.add(name)\n",
        "",
        TABLE,
    ),
    Mutant(
        "a hub gives more identifiers than there may be",
        _TABLE,
        "sorted(names)[: MAX_LOCAL_IDENTIFIERS - len(self._given)]",
        "sorted(names)",
        TABLE,
    ),
    Mutant(
        "identifiers are the same in all sessions",
        _SESSION,
        "            self._identifiers = LocalIdentifiers()\n",
        "            pass\n",
        SESSION,
    ),
    Mutant(
        "a hub uses an identifier before it has told it",
        _SESSION,
        "                self._append(0, names)\n",
        "                self._append(0, names)\n                self.define(names)\n",
        SESSION,
    ),
    Mutant(
        "a hub tells of an identifier behind the message that uses it",
        _SESSION,
        "            for names in self._to_define(self._definitions, message):\n"
        "                self._append(0, names)\n"
        "        return self._append(request_id, message)\n",
        "            told = list(self._to_define(self._definitions, message))\n"
        "            number = self._append(request_id, message)\n"
        "            for names in told:\n"
        "                self._append(0, names)\n"
        "            return number\n"
        "        return self._append(request_id, message)\n",
        SESSION,
    ),
    Mutant(
        "a client defines identifiers at a hub",
        _SESSION,
        "isinstance(message, Names) and self._side is Side.CLIENT:",
        "isinstance(message, Names):",
        SESSION,
    ),
    Mutant(
        "NAMES is taken where identifiers are not in force",
        _SESSION,
        "        if not self.additions.local_identifiers:\n            raise FrameError(",
        "        if False:\n            raise FrameError(",
        SESSION,
    ),
    Mutant(
        "identifiers are given where they are not in force",
        _SESSION,
        "        if self.additions.local_identifiers:\n            self._definitions = Definitions(give)\n",
        "        self._definitions = Definitions(give)\n",
        SESSION,
    ),
    Mutant(
        "the last of a pool goes into NAMES",
        _SESSION,
        "if self.streams.local.window is None or left >= USED_UP_BYTES:",
        "if left is not None:",
        SESSION,
    ),
    Mutant(
        "what comes from a peer keeps its identifiers",
        _SESSION,
        "        self._identifiers.resolve(message)\n",
        "",
        ENGINES,
    ),
    Mutant(
        "a stranger gets an identifier",
        "dsked/hub/client_identifiers.py",
        "        if client not in self._clients:\n            return None\n",
        "",
        HUB,
    ),
    Mutant(
        "the number of a client that was removed is given again",
        "dsked/hub/client_identifiers.py",
        "        self._of.pop(client, None)\n",
        "        self._next = count(self._of.pop(client, 0))\n",
        HUB,
    ),
)
