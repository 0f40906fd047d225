"""SKIP: a key goes to its two systems, once, and to nobody that a browser or a wrong file speaks for."""

from __future__ import annotations

from mutating.mutant import Mutant

SKIP, MESSAGES, PSK = (
    "dsked/delivery/skip.py",
    "dsked/delivery/skip_messages.py",
    "dsked/delivery/skip_psk.py",
)
OF_SKIP = ("tests/delivery/test_skip.py",)
OF_PSK = ("tests/delivery/test_skip_psk.py",)

MUTANTS = (
    Mutant(
        "SKIP: a key for another system is told from none",
        MESSAGES,
        "    if error.code in (ErrorCode.UNKNOWN_KEY, ErrorCode.NOT_NAMED):\n",
        "    if error.code == ErrorCode.UNKNOWN_KEY:\n",
        OF_SKIP,
    ),
    Mutant(
        "SKIP: a page of another site gets an answer",
        SKIP,
        "        demand_own_site(request)\n",
        "        pass\n",
        OF_SKIP,
    ),
    Mutant(
        "SKIP: HEAD makes a key and throws it away",
        SKIP,
        '        if request.method != "GET":\n',
        '        if request.method not in ("GET", "HEAD"):\n',
        OF_SKIP,
    ),
    Mutant(
        "SKIP: a system makes a key with itself",
        SKIP,
        "        if encryptor is None or encryptor == caller:\n",
        "        if encryptor is None:\n",
        OF_SKIP,
    ),
    Mutant(
        "SKIP: a glob character stands for others",
        MESSAGES,
        "[glob.escape(remote) for remote in remotes]",
        "list(remotes)",
        OF_SKIP,
    ),
    Mutant(
        "SKIP: a failed generator is no reason for an error",
        SKIP,
        "        except OSError as error:\n",
        "        except ZeroDivisionError as error:\n",
        OF_SKIP,
    ),
    Mutant(
        "TLS-PSK: a file of keys may be read by all",
        PSK,
        '        demand_private(path, "the pre-shared keys")\n',
        "",
        OF_PSK,
    ),
    Mutant(
        "TLS-PSK: an identity of another client has a key here",
        PSK,
        "    if identity not in system_ids:\n",
        "    if not system_ids:\n",
        OF_PSK,
    ),
    Mutant(
        "TLS-PSK: a short key will do",
        PSK,
        "not MIN_PSK_BYTES <= len(key) // 2 <= MAX_PSK_BYTES",
        "not 1 <= len(key) // 2 <= MAX_PSK_BYTES",
        OF_PSK,
    ),
    Mutant(
        "TLS-PSK: of two keys of one identity the last counts",
        PSK,
        " if identity in self._keys else None\n",
        " if not self else None\n",
        OF_PSK,
    ),
)
