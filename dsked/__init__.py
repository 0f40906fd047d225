"""dsked: Distributed Symmetric Key Establishment, one daemon for hubs and clients."""

__version__ = "0.1.0"
