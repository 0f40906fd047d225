"""What scripts/torture.py is made of: the peer that records, the daemons that are killed, the accounts."""
