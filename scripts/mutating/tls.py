"""Mutual TLS: who may come, and for how long."""

from __future__ import annotations

from mutating.mutant import Mutant

TLS, FILES, PARTS, IDENTITY = (
    "dsked/delivery/tls.py",
    "dsked/delivery/tls_files.py",
    "dsked/delivery/tls_parts.py",
    "dsked/delivery/identity.py",
)
SERVER = "dsked/delivery/http_server.py"
OF_ACCESS = ("tests/delivery/test_tls_access.py",)
OF_RELOAD = ("tests/delivery/test_tls_reload.py",)
OF_IDENTITY = ("tests/delivery/test_identity.py",)
OF_HANDSHAKES = ("tests/delivery/test_tls_handshakes.py",)
OF_STRANGERS = ("tests/delivery/test_tls_strangers.py",)
OF_EXPIRY = ("tests/delivery/test_tls_expiry.py",)

MUTANTS = (
    Mutant(
        "revoked certificates are taken",
        PARTS,
        "        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF\n",
        "",
        OF_ACCESS,
    ),
    Mutant(
        "an encryptor of another client is served over TLS",
        IDENTITY,
        "            if sae_id not in service.encryptors:\n",
        "            if not sae_id:\n",
        OF_ACCESS,
    ),
    Mutant(
        "a connection outlives the revocation of its certificate",
        TLS,
        "            loaded.verify(self._chain)\n",
        "            pass\n",
        OF_RELOAD,
    ),
    Mutant(
        "a connection outlives its certificate",
        TLS,
        "        if time.time() >= self._expires:\n",
        "        if time.time() < 0:\n",
        OF_RELOAD,
    ),
    Mutant(
        "a connection outlives its revocation list",
        TLS,
        " or time.time() >= self._until:\n",
        ":\n",
        OF_EXPIRY,
    ),
    Mutant(
        "a session of TLS 1.2 that is resumed outlives its revocation list",
        TLS,
        " and not self.session_reused\n",
        "\n",
        OF_EXPIRY,
    ),
    Mutant(
        "a CA between, which came with the certificate, may expire",
        FILES,
        "        ends = (*self._ends, *(one.not_valid_after_utc.timestamp() for one in chain))\n",
        "        ends = self._ends\n",
        OF_EXPIRY,
    ),
    Mutant(
        "a file that cannot be used keeps an old revocation list in force",
        FILES,
        "            if before is None:\n",
        "            if self.faults == []:\n",
        OF_RELOAD,
    ),
    Mutant(
        "who has shown no certificate pushes encryptors out",
        SERVER,
        "        known = self._handshakes is None or self._knows(transport)\n",
        "        known = True\n",
        OF_STRANGERS,
    ),
    Mutant(
        "who is another client's encryptor pushes encryptors out",
        SERVER,
        "            return self._serves(",
        "            return bool(",
        OF_STRANGERS,
    ),
    Mutant(
        "a handshake pushes encryptors out",
        SERVER,
        "Handshakes(tls.context, self._make_room_for_stranger, ",
        "Handshakes(tls.context, lambda _: self._make_room(), ",
        OF_STRANGERS,
    ),
    Mutant(
        "a certificate of two names is either",
        IDENTITY,
        "        if len(values) != 1:\n",
        "        if not values:\n",
        OF_IDENTITY,
    ),
    Mutant(
        "the alert of a failed handshake does not leave",
        TLS,
        "            raise ssl.SSLWantReadError from None  # the loop writes what is there: the alert\n",
        "            raise\n",
        OF_ACCESS,
    ),
    Mutant(
        "silent TLS connections keep others out",
        "dsked/delivery/handshakes.py",
        "        if not self._make_room_beside(len(self._under_way)):\n",
        "        if self._closed:\n",
        OF_HANDSHAKES,
    ),
)
