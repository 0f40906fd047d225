"""Disks that lose, reorder and tear what was not synced, the store's view of them, and a node's state."""
