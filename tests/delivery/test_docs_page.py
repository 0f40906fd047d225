from __future__ import annotations

import importlib.util
import re

import aiohttp
import msgspec
import pytest

from dsked.delivery import openapi
from dsked.delivery.etsi import create_app
from dsked.delivery.http_server import HttpServer
from dsked.delivery.identity import caller_of_certificate
from dsked.delivery.tls import Tls

from .fakes import LIMITS
from .pki import Pki

PATHS = ["/openapi.json", "/docs", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/start.js"]


@pytest.fixture
async def get(http):
    """Ask for a path; returns status, text and headers."""
    async with aiohttp.ClientSession() as session:

        async def get(path, method="GET", **headers):
            url = f"http://127.0.0.1:{http.port}{path}"
            async with session.request(method, url, headers=headers) as reply:
                return reply.status, await reply.text(), reply.headers

        yield get


async def test_the_description(call, keys, quiet):
    status, document, headers = await call("GET", "/openapi.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert document == openapi.document(keys, LIMITS, tls=False)


async def test_the_page_and_all_that_it_loads(get, quiet):
    status, page, headers = await get("/docs")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) > 3
    for path in loaded:
        if path != "data:,":
            status, text, headers = await get(f"/{path}")
            assert (status, bool(text)) == (200, True)
    status, start, headers = await get("/docs/start.js")
    assert 'url: "openapi.json"' in start


@pytest.mark.parametrize("path", PATHS)
async def test_browsers_are_told_to_load_nothing_from_elsewhere(get, path):
    status, _text, headers = await get(path)
    assert status == 200
    policy = dict(one.split(" ", 1) for one in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin", "or a key is refused to the page: browsers.py"


async def test_what_a_browser_has_is_not_sent_again(get):
    _status, _text, headers = await get("/docs/swagger-ui-bundle.js")
    status, text, _headers = await get("/docs/swagger-ui-bundle.js", **{"If-None-Match": headers["Etag"]})
    assert (status, text) == (304, "")


@pytest.mark.parametrize("path", PATHS)
async def test_pages_of_other_sites_are_refused(get, http, quiet, path):
    mark = {"Accept-Language": "en"}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Host": f"evil.example:{http.port}"}):
        status, text, _headers = await get(path, **mark, **headers)
        assert (status, list(msgspec.json.decode(text))) == (403, ["message"])
    for site in ("none", "same-origin"):
        assert (await get(path, **mark, **{"Sec-Fetch-Site": site}))[0] == 200


@pytest.mark.parametrize("header", ["If-Modified-Since", "If-Unmodified-Since", "If-Range"])
async def test_a_date_that_is_none(get, quiet, header):
    absurd = {header: "Thu, 99 Jan 99999999999 00:00:00 GMT", "Range": "bytes=0-9"}
    status, text, _headers = await get("/docs/LICENSE", **absurd)
    assert (status, msgspec.json.decode(text)) == (400, {"message": "a date in the head is none"})
    status, _text, _headers = await get("/docs/LICENSE", **{header: "Thu, 99 Jan 2020 00:00:00 GMT"})
    assert status == 200


async def test_without_swagger_ui_the_page_says_what_to_install(get, monkeypatch, quiet):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for path in ("/docs", "/docs/swagger-ui.css"):
        status, text, _headers = await get(path)
        assert status == 501
        assert "pip install swagger-ui-py" in text
    assert (await get("/openapi.json"))[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/docs/", "/docs/x", "/docs/../docs", "/docs/%2e%2e/core.py", "/openapi.json/", "/api"]
)
async def test_other_paths(call, quiet, path):
    status, document, _headers = await call("GET", path)
    assert (status, document) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("path", PATHS)
async def test_other_methods(get, quiet, path):
    status, _text, headers = await get(path, "POST")
    assert (status, headers["Allow"]) == (405, "GET,HEAD")
    status, text, headers = await get(path, "HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 100


@pytest.mark.parametrize(("who", "expected"), [("sam", 200), ("mallory", 401), (None, 401)])
async def test_over_tls_it_is_for_encryptors_of_this_client(keys, tmp_path, who, expected):
    pki = Pki(tmp_path)
    server = HttpServer(create_app(keys, caller_of_certificate(keys)), tls=Tls(pki.settings()))
    await server.start("127.0.0.1", 0)
    context = pki.client_context(None if who is None else pki.encryptor(who))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        for path in PATHS:
            async with session.get(f"https://127.0.0.1:{server.port}{path}") as reply:
                assert reply.status == expected
                if path == "/openapi.json" and expected == 200:
                    assert await reply.json() == openapi.document(keys, LIMITS, tls=True)
    await server.close()
