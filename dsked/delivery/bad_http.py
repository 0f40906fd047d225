"""What is no HTTP request is answered as all other errors are; aiohttp's own answer tells its version."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import LineTooLong

_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "Server": "dsked"}


class Server(web.Server):
    """aiohttp's server of connections, each with our answer to what cannot be read."""

    def __call__(self) -> web.RequestHandler:
        """What handles a new connection."""
        return _RequestHandler(self, loop=self._loop, **self._kwargs)


class _RequestHandler(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Called for what the parser refuses. Raises ConnectionError where a reply has begun already."""
        super().handle_error(request, status, exc, message)  # the log
        request._version = HttpVersion11  # of a request that cannot be read none is known
        text = _reason(exc) if status == HTTPStatus.BAD_REQUEST else HTTPStatus(status).phrase
        reply = web.Response(status=status, body=msgspec.json.encode({"message": text}), headers=_HEADERS)
        reply.force_close()
        return reply


def _reason(error: BaseException | None) -> str:
    """What was wrong; nothing of what was sent stands in it."""
    if isinstance(error, LineTooLong):
        return f"a line of the request's head is too long: {error.args[1]} bytes are the most"
    return "the request cannot be read: expected HTTP/1.1, without control characters in its head (RFC 9112)"
