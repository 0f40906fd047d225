"""Bought hubs and hostile clients: `liars` and `hostile` have all kinds by name.

A lie stands between a real hub engine and its clients (`lies/hub.py`), a deed is done by a real client engine
beside its work (`deeds/client.py`). Neither knows of the other; what they know together is the cabal's.
"""
