"""A page of a stranger, in a real browser that reaches the client: whatever it tries, no key is made."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from dsked.delivery import etsi, skip
from dsked.delivery.http_server import Handler, HttpServer
from dsked.delivery.identity import caller_of_certificate
from dsked.delivery.tls import Tls
from tests.delivery.fakes import FakeKeys
from tests.delivery.pki import Pki

from .browser import Profile, browsing

#: Names and addresses that lead to this host, as far as the browser is concerned.
HERE = "--host-resolver-rules=MAP stranger.example 127.0.0.1,MAP 192.0.2.1 127.0.0.1"
HOSTS = ("127.0.0.1", "192.0.2.1", "0.0.0.0", "stranger.example")
ETSI, SKIP = "/api/v1/keys/sunny/enc_keys", "/key?remoteSystemID=sunny"
#: What any page may have its browser send to any server, its answer unread. Resolves when all is answered.
TRIES = """async (address, referrerPolicy) => {
  const simple = {mode: "no-cors", credentials: "include", referrerPolicy};
  await fetch(address, simple);
  await fetch(address, {...simple, headers: {"Accept-Language": "*", "User-Agent": "curl"}});
  await fetch(address, {...simple, method: "POST", body: "{}"});
  for (const kind of ["img", "iframe"]) await new Promise(done => {
    const element = document.createElement(kind);
    element.referrerPolicy = referrerPolicy;
    element.onload = element.onerror = done;
    element.src = address;
    document.body.append(element);
  });
}"""
NR_TRIES = 5
#: What a page asks for that the browser takes for the server's own, and can read.
READ = """async address => (await fetch(address, {headers: {"User-Agent": "curl"}})).text()"""


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
async def stranger() -> AsyncIterator[str]:
    """The address of the stranger's page."""

    async def page(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="<body></body>", content_type="text/html")

    async with serving(page) as server:
        yield f"http://stranger.example:{server.port}/"


@asynccontextmanager
async def serving(handler: Handler, tls: Tls | None = None) -> AsyncIterator[HttpServer]:
    server = HttpServer(handler, tls=tls)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


def noting(handler: Handler, statuses: list[int]) -> Handler:
    """The handler, whose answers are noted."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        reply = await handler(request)
        statuses.append(reply.status)
        return reply

    return handle


def called(function: str, *arguments: str) -> str:
    """An expression that calls a function of JavaScript's."""
    return f"({function})({', '.join(map(json.dumps, arguments))})"


@pytest.mark.parametrize("interface", ["ETSI", "SKIP"])
async def test_no_key_is_made_for_it(interface: str, keys: FakeKeys, stranger: str, user: Profile) -> None:
    """Over loopback, over what counts as a network, and under a name of its own."""
    statuses: list[int] = []
    identify = etsi.caller_of_authorization(keys)
    if interface == "ETSI":
        handler, path = etsi.create_app(keys, identify), ETSI
    else:
        handler, path = skip.create_app(keys, identify, {"sam": "sam", "sunny": "sunny"}), SKIP
    async with serving(noting(handler, statuses)) as server, browsing(user, HERE) as page:
        await page.open(stranger)
        for host, policy in itertools.product(HOSTS, ("no-referrer", "unsafe-url")):
            await page.evaluate(called(TRIES, f"http://{host}:{server.port}{path}", policy))
    refused = {403} if interface == "ETSI" else {403, 405}  # SKIP has no POST
    assert (len(statuses), set(statuses)) == (len(HOSTS) * 2 * NR_TRIES, refused)
    assert keys._made == 0


async def test_a_name_that_points_here_by_now(keys: FakeKeys, user: Profile) -> None:
    """For the browser the stranger's page is the server's own, and may read what it asks for."""
    handler = etsi.create_app(keys, etsi.caller_of_authorization(keys))
    async with serving(handler) as server, browsing(user, HERE) as page:
        await page.open(f"http://stranger.example:{server.port}/")
        read = await page.evaluate(called(READ, ETSI))
    assert "this Host is another name" in read
    assert keys._made == 0


async def test_no_key_for_the_certificate_of_the_browser_s_user(
    keys: FakeKeys, stranger: str, user: Profile, tmp_path: Path
) -> None:
    """Which the browser shows for the stranger's page as well."""
    statuses: list[int] = []
    pki = Pki(tmp_path)
    handler = noting(etsi.create_app(keys, caller_of_certificate(keys)), statuses)
    async with serving(handler, Tls(pki.settings())) as server:
        origin = f"https://127.0.0.1:{server.port}"
        user.trust(pki.ca)
        user.show(pki.encryptor("sam"), origin)
        async with browsing(user, HERE) as page:
            await page.open(stranger)
            await page.evaluate(called(TRIES, origin + ETSI, "no-referrer"))
            assert (len(statuses), set(statuses)) == (NR_TRIES, {403})
            assert keys._made == 0
            await page.open(f"{origin}{ETSI}")
            assert '"keys"' in await page.text("body"), "its user may have one"
