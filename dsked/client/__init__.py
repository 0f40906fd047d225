"""The client: deals keys to the hubs, rebuilds them, and hands them to its encryptors once."""
