"""Where the bytes of blocks come from: the operating system, a hardware generator, or both."""
