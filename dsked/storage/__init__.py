"""The durable store of pools: block files, marks durable ahead of use, one owner of a state directory."""
