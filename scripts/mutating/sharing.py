"""The sharing: nothing to learn from k - 1 shares, and never a wrong key."""

from __future__ import annotations

from mutating.mutant import Mutant

ATTACKS, DEALING = ("tests/sharing/test_attacks.py",), ("tests/sharing/test_dealing.py",)
TERMS, GFP = ("tests/sharing/test_terms.py",), ("tests/sharing/test_gfp.py",)
SHARES, DEAL = "dsked/sharing/shares.py", "dsked/sharing/dealing.py"
REBUILDING, COLUMNS = "dsked/sharing/rebuilding.py", "tests/sharing/test_hub_columns.py"

MUTANTS = (
    Mutant(
        "the secret tag is ignored",
        REBUILDING,
        '    if not malformed and hmac.compare_digest(b"".join(tags), b"".join(wanted)):\n',
        "    if not malformed:\n",
        ATTACKS,
    ),
    Mutant(
        "a part of the secret tag is compared",
        REBUILDING,
        'hmac.compare_digest(b"".join(tags), b"".join(wanted))',
        "all(hmac.compare_digest(tag[:4], f[:4]) for tag, f in zip(tags, wanted, strict=True))",
        ATTACKS,
    ),
    Mutant(
        "all keys of a batch pass where one does",
        REBUILDING,
        "        key if hmac.compare_digest(tag, f) and i not in malformed else None\n",
        "        key if i not in malformed else None\n",
        (*DEALING, COLUMNS),
    ),
    Mutant(
        "a malformed share hurts nobody",
        REBUILDING,
        "hmac.compare_digest(tag, f) and i not in malformed else None",
        "hmac.compare_digest(tag, f) or i in malformed else None",
        DEALING,
    ),
    Mutant(
        "columns of codes are not compared",
        "dsked/sharing/proof.py",
        "    odd |= {element // 2 for element in elements}\n",
        "",
        (COLUMNS,),
    ),
    Mutant(
        "the key ID is not under the secret tag",
        SHARES,
        "    tags = amd.tags(_frame(terms), numbers, key_ids, covered)\n",
        "    tags = amd.tags(_frame(terms), numbers, [bytes(16)] * len(keys), covered)\n",
        DEALING,
    ),
    Mutant(
        "the parties are not under the secret tag",
        "dsked/sharing/terms.py",
        "            _party(terms.initiator),\n",
        "",
        TERMS,
        more=(("            *map(_party, terms.responders),\n", ""),),
    ),
    Mutant(
        "n and k are not under the secret tag",
        "dsked/sharing/terms.py",
        'b"DSKE" + bytes((terms.version, terms.n, terms.k))',
        'b"DSKE" + bytes((terms.version,))',
        TERMS,
    ),
    Mutant(
        "a name and the next one are not told apart",
        "dsked/sharing/terms.py",
        "return bytes((len(client),)) + client + bytes((len(encryptor),)) + encryptor",
        "return client + encryptor",
        TERMS,
    ),
    Mutant(
        "the hash key of a long key is not under the secret tag",
        SHARES,
        "amd.key_hash(hash_key, key) + hash_key if",
        "amd.key_hash(hash_key, key) + bytes(16) if",
        TERMS,
    ),
    Mutant(
        "one hash key for all responders",
        DEAL,
        "random(count * amd.HASH_KEY_BYTES) if",
        "random(amd.HASH_KEY_BYTES) * count if",
        DEALING,
    ),
    Mutant(
        "one x for all keys and responders",
        DEAL,
        "    xs = gfp.elements(gfp.uniform(count, random))\n",
        "    xs = gfp.elements(gfp.uniform(1, random) * count)\n",
        DEALING,
    ),
    Mutant(
        "a polynomial hash in place of the code that detects manipulation",
        "dsked/sharing/amd.py",
        "        total = x\n",
        "        total = 0\n",
        (*ATTACKS, "tests/sharing/test_amd.py"),
    ),
    Mutant(
        "shares of the key lie on polynomials of a lower degree",
        "dsked/sharing/shamir.py",
        "    drawn = random(length * (k - 1))\n",
        "    drawn = random(length) * (k - 1)\n",
        ("tests/sharing/test_shamir.py",),
    ),
    Mutant(
        "shares of x and f lie on polynomials of a lower degree",
        "dsked/sharing/gfp.py",
        "    drawn = uniform(length // ELEMENT_BYTES * (k - 1), random)\n",
        "    drawn = uniform(length // ELEMENT_BYTES, random) * (k - 1)\n",
        GFP,
    ),
    Mutant(
        "elements of the field have two forms",
        "dsked/sharing/gfp.py",
        "    if _outside(packed, lanes):\n        raise FrameError",
        "    if False:\n        raise FrameError",
        GFP,
    ),
    Mutant(
        "elements of the field are not uniform",
        "dsked/sharing/gfp.py",
        "        if is_canonical(string):\n",
        "        if True:\n",
        GFP,
    ),
    Mutant(
        "shares of any length are joined",
        REBUILDING,
        "        if set(map(len, shares)) != {wanted_share} or set(map(len, codes)) != {wanted_code}:\n",
        "        if not shares:\n",
        ("tests/sharing/test_recovery.py",),
    ),
    Mutant(
        "a dealing with k = 1",
        "dsked/sharing/terms.py",
        "    if not 2 <= terms.k <= terms.n <= limits.MAX_HUBS:\n",
        "    if not 1 <= terms.k <= terms.n <= limits.MAX_HUBS:\n",
        TERMS,
    ),
    Mutant(
        "x-coordinate 0 is a hub's",
        "dsked/sharing/shamir.py",
        "    if len(set(xs)) != len(xs) or not all(1 <= x <= 255 for x in xs):\n",
        "    if len(set(xs)) != len(xs) or not all(0 <= x <= 255 for x in xs):\n",
        ("tests/sharing/test_shamir.py",),
    ),
)
