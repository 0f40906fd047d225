"""The sharing: nothing to learn from k - 1 shares, and never a wrong key."""

from __future__ import annotations

from mutating.mutant import Mutant

ATTACKS, DEALING = ("tests/sharing/test_attacks.py",), ("tests/sharing/test_dealing.py",)
TERMS, GFP = ("tests/sharing/test_terms.py",), ("tests/sharing/test_gfp.py",)
SHARES, DEAL = "dsked/sharing/shares.py", "dsked/sharing/dealing.py"

MUTANTS = (
    Mutant(
        "the secret tag is ignored",
        SHARES,
        '    return hmac.compare_digest(f.to_bytes(gfp.ELEMENT_BYTES, "little"), pair',
        "    return f > 0  # ",
        ATTACKS,
    ),
    Mutant(
        "a part of the secret tag is compared",
        SHARES,
        'f.to_bytes(gfp.ELEMENT_BYTES, "little"), pair[gfp.ELEMENT_BYTES :])',
        'f.to_bytes(gfp.ELEMENT_BYTES, "little")[:4], pair[gfp.ELEMENT_BYTES :][:4])',
        ATTACKS,
    ),
    Mutant(
        "the key ID is not under the secret tag",
        SHARES,
        "        return before + key_id + after + amd.key_hash(hash_key, key) + hash_key\n"
        "    return before + key_id + after + key\n",
        "        return before + after + amd.key_hash(hash_key, key) + hash_key\n"
        "    return before + after + key\n",
        TERMS,
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
        "amd.key_hash(hash_key, key) + hash_key\n",
        "amd.key_hash(hash_key, key)\n",
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
        "    xs = cut(gfp.uniform(count, random), gfp.ELEMENT_BYTES)\n",
        "    xs = cut(gfp.uniform(1, random) * count, gfp.ELEMENT_BYTES)\n",
        DEALING,
    ),
    Mutant(
        "a polynomial hash in place of the code that detects manipulation",
        "dsked/sharing/amd.py",
        "    total = x\n",
        "    total = 0\n",
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
        "    if not all(map(is_canonical, strings)):\n",
        "    if False:\n",
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
        "dsked/sharing/rebuilding.py",
        "        if set(map(len, shares)) != {wanted_share} or set(map(len, codes)) != {wanted_code}:\n",
        "        if not shares:\n",
        (*ATTACKS, *DEALING, "tests/sharing/test_recovery.py"),
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
