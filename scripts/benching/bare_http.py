"""The floor of ETSI requests: an aiohttp handler that answers with a fixed body.

Command (benching/children.py): `body`, the text that it answers with from now on; `certificates`, empty or,
for mutual TLS, with `ca` and `server` (files in PEM; of the latter certificate and key).
"""

from __future__ import annotations

import ssl
from typing import Any

from aiohttp import web

from benching.children import answer_commands

_runners: list[web.AppRunner] = []  # the last one serves


async def _answer(command: dict[str, Any]) -> dict[str, Any]:
    """Serve `body` at the path /, on a port of its own."""
    body = command["body"].encode()

    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    certificates = command["certificates"]
    context = _context(certificates) if certificates else None
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    _runners.append(runner)
    return {"port": runner.addresses[0][1]}


def _context(certificates: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates["ca"])
    context.load_cert_chain(*certificates["server"])
    context.verify_mode = ssl.CERT_REQUIRED
    return context


if __name__ == "__main__":
    answer_commands(_answer)
