"""Random bytes for keys, shares and simulated pools.

Linux makes them with ChaCha20 in portable code, at 300 MB/s: a large key's shares would take longer to draw
than to compute. So for a long string only a key is drawn, anew for each, and ChaCha20 makes the string of it
here, eight times as fast. That is what the system does for one call as well (random(4), "fast key erasure"):
as many bytes as are wanted from 256 bits that are used for nothing else and forgotten. No state is kept, so
that copies of a process do not draw the same.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

#: Up to here the system is as quick.
_SHORT_BYTES = 4096
_KEY_BYTES = 32
#: The key is used once: counter and nonce begin at zero.
_NONCE = bytes(16)


def draw(nr_bytes: int) -> bytes:
    """So many uniform bytes."""
    if nr_bytes <= _SHORT_BYTES:
        return os.urandom(nr_bytes)
    cipher = Cipher(ChaCha20(os.urandom(_KEY_BYTES), _NONCE), None)
    return cipher.encryptor().update(bytes(nr_bytes))
