"""Secrets stay where they are: no text tells them, no copy of them comes into being."""

from __future__ import annotations

from mutating.mutant import Mutant

OBJECTS, DAEMON = ("tests/leaks/test_objects.py",), ("tests/daemon/test_daemon.py",)

MUTANTS = (
    Mutant(
        "a key's text tells the key",
        "dsked/keys.py",
        "{8 * len(self.key)} bits)",
        "{self.key.hex()})",
        ("tests/test_keys.py",),
    ),
    Mutant(
        "keys are compared byte by byte",
        "dsked/keys.py",
        "hmac.compare_digest(self.key, other.key)",
        "self.key == other.key",
        ("tests/test_keys.py",),
    ),
    Mutant(
        "a stored share's text tells the share",
        "dsked/hub/lots.py",
        "shares: bytes | bytearray = field(repr=False)",
        "shares: bytes | bytearray",
        OBJECTS,
    ),
    Mutant(
        "a batch's text tells its keys",
        "dsked/client/fetch.py",
        "        self.waiting: tuple[Any, ...] = ()  # requests, in order\n"
        "        self.handed_to: frozenset[str] = _NOBODY  # encryptors\n\n"
        "    __repr__ = no_secrets\n",
        "        self.waiting: tuple[Any, ...] = ()  # requests, in order\n"
        "        self.handed_to: frozenset[str] = _NOBODY  # encryptors\n\n"
        '    def __repr__(self) -> str:\n        return f"{self.key!r}"\n',
        OBJECTS,
    ),
    Mutant(
        "a column's text tells its shares",
        "dsked/client/columns.py",
        "    __repr__ = no_secrets\n",
        '    def __repr__(self) -> str:\n        return f"{self.shares!r}"\n',
        OBJECTS,
    ),
    Mutant(
        "a message's text tells its shares",
        "dsked/wire/messages.py",
        "    codes: Secret\n\n    __repr__ = no_secrets\n    __reduce__ = no_pickle\n\n\nclass PutShares(",
        "    codes: Secret\n\n    __reduce__ = no_pickle\n\n\nclass PutShares(",
        OBJECTS,
    ),
    Mutant(
        "an answer's text tells its shares",
        "dsked/wire/messages.py",
        "    codes: Secret\n\n    __repr__ = no_secrets\n    __reduce__ = no_pickle\n\n\nclass Missing(",
        "    codes: Secret\n\n    __reduce__ = no_pickle\n\n\nclass Missing(",
        OBJECTS,
    ),
    Mutant(
        "a pair's text tells its gate key",
        "dsked/psrd/pair.py",
        "    gate_key: bytes = field(repr=False)\n",
        "    gate_key: bytes\n",
        OBJECTS,
    ),
    Mutant(
        "a share's text tells the share",
        "dsked/sharing/shares.py",
        'return f"KeyShare(x={self.x}, {len(self.share)} bytes)"',
        'return f"KeyShare(x={self.x}, {self.share!r})"',
        OBJECTS,
    ),
    Mutant(
        "secrets are pickled",
        "dsked/secrecy.py",
        '    raise TypeError(f"{type(holder).__name__} holds secrets: it cannot be pickled or copied")\n',
        '    return f"{type(holder).__name__}"  # type: ignore[misc]\n',
        OBJECTS,
    ),
    Mutant(
        "core files are written",
        "dsked/daemon/process.py",
        "    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n",
        "",
        DAEMON,
    ),
    Mutant(
        "other processes may trace a daemon",
        "dsked/daemon/process.py",
        "    ctypes.CDLL(None).prctl(pr_set_dumpable, 0, 0, 0, 0)\n",
        "",
        DAEMON,
    ),
    Mutant(
        "a daemon does not switch core files off as it starts",
        "dsked/daemon/process.py",
        "    forbid_core_dumps()\n",
        "",
        ("tests/leaks/test_core_dumps.py",),
    ),
)
