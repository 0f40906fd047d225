"""The audit log: chain.py makes and verifies its lines (pure), log.py is the file that a node writes."""
