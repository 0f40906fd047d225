"""PSRD on media: bundles (proto/bundles.md), from the hub that makes them to the client that imports them."""
