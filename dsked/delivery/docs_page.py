"""The description of the ETSI interface at /openapi.json, and the page at /docs that shows and tries it.

The page needs nothing from elsewhere: its program is Swagger UI (Apache-2.0), which the optional package
swagger-ui-py brings as files, and nothing of that package is run here. What a page may load is told to the
browser (Content Security Policy), so that not even a fault of that program carries a key to another site.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web

from dsked.delivery import openapi
from dsked.delivery.browsers import over_tls, refuse_other_sites
from dsked.delivery.service import KeyService

_STATIC = Path("static")
#: Of Swagger UI, what is given out, by the last part of the path.
_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "LICENSE": "text/plain",
}
_START = "start.js"
_METHODS = ("GET", "HEAD")

#: Swagger UI draws with inline styles and with images that stand in its style sheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-cache",
    "Referrer-Policy": "same-origin",  # without TLS it alone may tell that this page asks for a key
    "X-Content-Type-Options": "nosniff",
    "Server": "dsked",
}

_PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dsked: ETSI GS QKD 014</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<noscript>This page needs JavaScript. The description itself is <a href="openapi.json">here</a>.</noscript>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
#: No validator: Swagger UI would ask one on the Internet.
_START_SCRIPT = b"""SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  validatorUrl: null,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
});
"""
_MISSING = b"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>dsked: ETSI GS QKD 014</title><link rel="icon" href="data:,"></head>
<body>
<p>This page is drawn by Swagger UI, which is not installed beside dsked (it is the extra <code>docs</code>):
<code>pip install swagger-ui-py</code>, then start the daemon anew.</p>
<p>The description itself: <a href="openapi.json">openapi.json</a></p>
</body>
</html>
"""


class DocsPage:
    """Answers requests for the description and for the page.

    Over TLS they are for those who may ask for keys: `identify` raises NotAllowedError for others. Without
    it, pages of other sites are refused: the description tells what the client serves. A browser that does
    not say which site asks gets them: that is how a person opens the page, and no other page can read them.
    """

    def __init__(self, service: KeyService, identify: Callable[[web.BaseRequest], str]) -> None:
        self._service = service
        self._identify = identify

    def reply(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer.

        Raises HTTPNotFound for any other path, HTTPMethodNotAllowed, HTTPForbidden, HTTPBadRequest,
        NotAllowedError.
        """
        path = request.rel_url.raw_path
        if path not in _PATHS:
            raise web.HTTPNotFound
        if request.method not in _METHODS:
            raise web.HTTPMethodNotAllowed(request.method, _METHODS)
        tls = over_tls(request)
        if tls:
            self._identify(request)
        else:
            refuse_other_sites(request)
        if path == "/openapi.json":
            described = openapi.document(self._service, self._service.limits(), tls)
            return _whole(msgspec.json.encode(described), "application/json")
        _demand_dates(request)
        return _page(path.removeprefix("/docs").removeprefix("/"))


_PATHS = {"/openapi.json", "/docs", f"/docs/{_START}", *(f"/docs/{name}" for name in _ASSETS)}


def _demand_dates(request: web.BaseRequest) -> None:
    """Raises HTTPBadRequest for a year that aiohttp would stumble over while it sends a file."""
    try:
        _ = request.if_modified_since, request.if_unmodified_since, request.if_range
    except (OverflowError, ValueError):
        raise web.HTTPBadRequest(reason="a date in the head is none") from None


def _page(name: str) -> web.StreamResponse:
    """The page (no name), or what belongs to it."""
    if name == _START:
        return _whole(_START_SCRIPT, "text/javascript")
    assets = _swagger_ui()
    if assets is None:
        return _whole(_MISSING, "text/html", 501)
    if not name:
        return _whole(_PAGE, "text/html")
    return web.FileResponse(assets / name, headers={**_HEADERS, "Content-Type": _ASSETS[name]})


def _whole(body: bytes, content_type: str, status: int = 200) -> web.Response:
    headers = {**_HEADERS, "Content-Type": f"{content_type}; charset=utf-8"}
    if content_type == "application/json":
        headers["Content-Type"] = content_type
    return web.Response(body=body, status=status, headers=headers)


def _swagger_ui() -> Path | None:
    """The directory of Swagger UI's files; None where they are not installed."""
    try:
        spec = importlib.util.find_spec("swagger_ui")
    except ValueError:  # something of that name without a specification
        return None
    for place in (spec and spec.submodule_search_locations) or ():
        directory = Path(place) / _STATIC
        if all((directory / name).is_file() for name in _ASSETS):
            return directory
    return None
