"""Where the bytes of blocks come from: the operating system, a hardware generator, or both.

And where a running node's own random bytes come from (randomness.py).
"""
