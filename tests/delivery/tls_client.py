"""A client over TLS that tells what OpenSSL saw: a reply, or the alert that ended it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

LIMIT_S = 10.0


@dataclass(frozen=True)
class Answer:
    """A reply, or the reason that OpenSSL gives for having none."""

    status: int | None = None
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    alert: str | None = None
    raw: bytes = b""


class Connection:
    """One connection; several requests may go over it. Blocks: to be used in a thread."""

    def __init__(self, port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        try:
            self.socket = context.wrap_socket(raw, server_hostname="127.0.0.1", session=session)
        except BaseException:
            raw.close()
            raise

    def ask(self, path: str, body: bytes | None = None) -> Answer:
        """One request. Raises OSError where none is taken any more."""
        method, length = ("GET", "") if body is None else ("POST", f"Content-Length: {len(body)}\r\n")
        head = f"{method} {path} HTTP/1.1\r\nHost: SAE-1\r\n{length}\r\n"
        self.socket.sendall(head.encode() + (body or b""))
        reply = http.client.HTTPResponse(self.socket)
        reply.begin()
        raw = reply.read()
        return Answer(reply.status, json.loads(raw), dict(reply.getheaders()), raw=raw)

    def close(self) -> None:
        """End it."""
        self.socket.close()


def ask(
    port: int,
    context: ssl.SSLContext,
    path: str,
    body: bytes | None = None,
    session: ssl.SSLSession | None = None,
) -> Answer:
    """One request over a connection of its own."""
    try:
        connection = Connection(port, context, session)
    except ssl.SSLError as error:
        return Answer(alert=error.reason)
    try:
        return connection.ask(path, body)
    except ssl.SSLError as error:  # TLS 1.3: the client takes itself for connected before it is verified
        return Answer(alert=error.reason)
    finally:
        connection.close()
