"""Bytes on their way: connections, the network of them, and what is checked of all that passes."""
