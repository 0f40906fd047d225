"""Certificates: what inspection says is true, and a laboratory's own ones are good for what they are for."""

from __future__ import annotations

from mutating.mutant import Mutant

VERDICT, INSPECTION = "dsked/certs/verdict.py", "dsked/certs/inspection.py"
VERIFICATION = "dsked/delivery/verification.py"
AUTHORITY, LAB, COMMAND = "dsked/certs/authority.py", "dsked/certs/lab.py", "dsked/cli/certs_command.py"
OF_VERDICT = ("tests/certs/test_verdict.py",)
OF_INSPECTION = ("tests/certs/test_inspection.py",)
OF_LAB = ("tests/certs/test_lab.py",)
OF_COMMANDS = ("tests/cli/test_certs_commands.py",)

MUTANTS = (
    Mutant(
        "certificates: what TLS refuses is told as taken",
        INSPECTION,
        "    if fault:\n        yield fault\n",
        "    if not fault:\n        yield fault or ''\n",
        OF_VERDICT,
    ),
    Mutant(
        "certificates: a verdict without the revocation list",
        VERDICT,
        "                sae_ids={},\n",
        "                sae_ids={},\n                crl=None,\n",
        OF_VERDICT,
    ),
    Mutant(
        "certificates: a verdict on the holder's certificate alone, without those above it",
        VERIFICATION,
        "map(_counted, chain)",
        "map(_counted, list(chain)[:1])",
        OF_VERDICT,
    ),
    Mutant(
        "certificates: of a long chain the first record is looked at",
        VERIFICATION,
        "    for at in range(0, len(message), _MAX_RECORD_BYTES):\n",
        "    for at in (0,):\n",
        OF_VERDICT,
    ),
    Mutant(
        "certificates: a client that takes TLS 1.3 alone takes all of them",
        VERDICT,
        "                minimum_tls=rules.DEFAULT_MINIMUM_TLS,\n",
        "",
        OF_VERDICT,
    ),
    Mutant(
        "certificates: an expired CA is told as an expired certificate",
        VERDICT,
        "        for ca in (*chain[1:], *self._cas):\n",
        "        for ca in chain[1:]:\n",
        OF_VERDICT,
    ),
    Mutant(
        "certificates: of several expired CAs one that is not concerned is named",
        VERDICT,
        "            if ca.subject in issuers:\n",
        "            if ca.subject:\n",
        OF_VERDICT,
    ),
    Mutant(
        "certificates: SKIP's TLS is not looked at",
        INSPECTION,
        '(("etsi", client.etsi), ("skip", client.skip))',
        '(("etsi", client.etsi),)',
        OF_INSPECTION,
    ),
    Mutant(
        "certificates: an encryptor of another client is told as served",
        INSPECTION,
        'all(one.name != found["sae_id"] for one in client.encryptors)',
        "not client.encryptors",
        OF_VERDICT,
    ),
    Mutant(
        "certificates: a client that lacks a file of CAs is told to be elsewhere",
        INSPECTION,
        "    if not any(_is_there(path)",
        "    if not all(_is_there(path)",
        OF_INSPECTION,
    ),
    Mutant(
        "certificates: files that this user may not read are told as the client's fault",
        INSPECTION,
        "not os.access(path, os.R_OK)",
        "not os.access(path, os.F_OK)",
        OF_INSPECTION,
    ),
    Mutant(
        "certificates: one client's revocation list stands for another's",
        INSPECTION,
        "    files = tls.client_ca, tls.crl\n",
        "    files = tls.client_ca, None\n",
        OF_INSPECTION,
    ),
    Mutant(
        "certificates: a file without end is read to its end",
        INSPECTION,
        "            data = file.read(MAX_CERTIFICATE_FILE_BYTES + 1)\n",
        "            data = file.read()[: MAX_CERTIFICATE_FILE_BYTES]\n",
        OF_COMMANDS,
    ),
    Mutant(
        "certificates: exit status 4 though one client takes it",
        COMMAND,
        'all(one["faults"] for one in document["clients"])',
        'any(one["faults"] for one in document["clients"])',
        OF_COMMANDS,
    ),
    Mutant(
        "certificates: a name writes to the terminal",
        COMMAND,
        'one if one.isprintable() else "?" for one in line',
        "one for one in line",
        OF_COMMANDS,
    ),
    Mutant(
        "laboratory: an encryptor's certificate is a server's",
        LAB,
        "ExtendedKeyUsageOID.CLIENT_AUTH, _dns_name(name)",
        "ExtendedKeyUsageOID.SERVER_AUTH, _dns_name(name)",
        OF_COMMANDS,
    ),
    Mutant(
        "laboratory: an encryptor's certificate is a CA's",
        AUTHORITY,
        "x509.BasicConstraints(ca=False, path_length=None)",
        "x509.BasicConstraints(ca=True, path_length=None)",
        OF_LAB,
    ),
    Mutant(
        "laboratory: private keys may be read by all",
        LAB,
        '        self._write(f"{name}.key", private, 0o600)\n',
        '        self._write(f"{name}.key", private)\n',
        OF_COMMANDS,
    ),
    Mutant(
        "laboratory: a private key is written into a file that others have open",
        LAB,
        "            fresh.unlink(missing_ok=True)\n",
        "",
        OF_LAB,
        (("os.O_CREAT | os.O_EXCL", "os.O_CREAT | os.O_TRUNC"),),
    ),
    Mutant(
        "laboratory: the second revocation takes back the first",
        LAB,
        "[*revoked.values(), revoked_now(serial)]",
        "[revoked_now(serial)]",
        OF_COMMANDS,
    ),
    Mutant(
        "laboratory: who is taken off the list takes all others off",
        LAB,
        "for number, entry in revoked.items() if number != serial)",
        "for number, entry in revoked.items() if not number)",
        OF_COMMANDS,
    ),
    Mutant(
        "laboratory: a new list has the old one's number",
        LAB,
        "authority.crl(revoked, number + 1)",
        "authority.crl(revoked, number)",
        OF_COMMANDS,
    ),
    Mutant(
        "laboratory: certificates of other authorities are put on its list",
        LAB,
        "        if certificate.issuer != own.subject or certificate == own:\n",
        "        if certificate == own:\n",
        OF_LAB,
    ),
    Mutant(
        "laboratory: what is there is made anew unasked",
        COMMAND,
        "    if anew and not force:\n",
        "    if anew and force:\n",
        OF_COMMANDS,
    ),
    Mutant(
        "laboratory: an encryptor's name writes to another directory",
        LAB,
        """        if "/" in name or name.startswith("."):\n""",
        """        if name.startswith("."):\n""",
        OF_COMMANDS,
    ),
)
