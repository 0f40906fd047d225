"""Bytes to an HTTP server, and all that it answers."""

from __future__ import annotations

import asyncio

KEYS = "/api/v1/keys"


async def raw_reply(http, sent):
    """Everything that the server answers to these bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(sent)
    reply = await reader.read()
    writer.close()
    return reply
