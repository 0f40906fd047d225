"""Pages that a browser shows: the server's own may ask for keys, and no others."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from dsked.delivery.browsers import demand_own_site, refuse_other_sites

from .raw_http import raw_reply

MOZILLA = {"User-Agent": "Mozilla/5.0"}
FIREFOX = {**MOZILLA, "Accept-Language": "en"}
#: A browser that sends no Accept-Language, and one whose page gives itself out as a program.
HEADLESS, DISGUISED = MOZILLA, {"User-Agent": "node", "Accept-Language": ""}
CROSS_SITE = "a page of another site"
OTHER_NAME = "a browser is served at an address"
UNSAID = "does not say which page asks"


async def asked(http, headers, method="GET"):
    """The reply to Get key with these headers. PORT in them stands for the server's."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"{method} /api/v1/keys/sunny/enc_keys HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"
    return (await raw_reply(http, request.replace("PORT", str(http.port)).encode())).decode()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "says"),
    [
        # A page of evil.example has the browser ask 127.0.0.1: fetch, an image, a form, a link.
        ({"Host": "127.0.0.1:PORT", "Sec-Fetch-Site": "cross-site"}, CROSS_SITE),
        (
            {"Host": "127.0.0.1:PORT", "Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:PORT"},
            CROSS_SITE,
        ),
        ({"Host": "127.0.0.1:PORT", "Sec-Fetch-Site": "anything"}, CROSS_SITE),
        ({"Host": "127.0.0.1:PORT", "Origin": "http://evil.example"}, CROSS_SITE),
        ({"Host": "127.0.0.1:PORT", "Origin": "http://127.0.0.1"}, CROSS_SITE),
        ({"Host": "127.0.0.1:PORT", "Origin": "null"}, CROSS_SITE),
        ({"Host": "", "Origin": "null"}, CROSS_SITE),
        ({"Host": "127.0.0.1:PORT", "Referer": "https://evil.example/"}, CROSS_SITE),
        ({"Host": "127.0.0.1:PORT", "Referer": "http://127.0.0.1:1/docs", **FIREFOX}, CROSS_SITE),
        ({"Host": "127.0.0.1:PORT", "Referer": "http://evil.example/127.0.0.1:PORT/"}, CROSS_SITE),
        ({"Host": "127.0.0.1:PORT", "Referer": ""}, CROSS_SITE),
        # Over a network without TLS, or of an older browser, where that page sends no Referer either.
        ({"Host": "127.0.0.1:PORT", **FIREFOX}, UNSAID),
        ({"Host": "127.0.0.1:PORT", **HEADLESS}, UNSAID),
        ({"Host": "192.0.2.1:PORT", **FIREFOX}, UNSAID),
        ({"Host": "0.0.0.0:PORT", **FIREFOX}, UNSAID),
        ({"Host": "[::]:PORT", **FIREFOX}, UNSAID),
        ({"Host": "[2001:db8::1]:PORT", **HEADLESS}, UNSAID),
        # evil.example's own name points here by now.
        ({"Host": "evil.example:PORT", **FIREFOX}, OTHER_NAME),
        ({"Host": "evil.example:PORT", **HEADLESS}, OTHER_NAME),
        ({"Host": "evil.example:PORT", **DISGUISED}, OTHER_NAME),
        ({"Host": "evil.example:PORT", "Accept-Language": "*"}, OTHER_NAME),
        ({"Host": "evil.example:PORT", "Origin": "http://evil.example:PORT"}, OTHER_NAME),
        ({"Host": "evil.example:PORT", "Referer": "http://evil.example:PORT/"}, OTHER_NAME),
        ({"Host": "evil.example:PORT", "Sec-Fetch-Site": "same-origin"}, OTHER_NAME),
        ({"Host": "127.0.0.1.evil.example:PORT", **FIREFOX}, OTHER_NAME),
        ({"Host": "notlocalhost:PORT", **FIREFOX}, OTHER_NAME),
        ({"Host": "127.0.0.1@evil.example", **FIREFOX}, OTHER_NAME),
        ({"Host": "[evil]:PORT", **FIREFOX}, OTHER_NAME),
        ({"Host": "", **FIREFOX}, OTHER_NAME),
    ],
)
async def test_a_page_of_another_site_gets_no_key(http, keys, quiet, headers, says, method):
    reply = await asked(http, headers, method)
    assert reply.startswith("HTTP/1.1 403 ")
    assert says in reply and '"keys"' not in reply
    assert keys._made == 0, "nor is one made and thrown away"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1:PORT", "Sec-Fetch-Site": "same-origin", **FIREFOX},
        {"Host": "127.0.0.1:PORT", "Origin": "http://127.0.0.1:PORT", **FIREFOX},
        {"Host": "LOCALHOST:PORT", "Origin": "http://localhost:PORT", **FIREFOX},
        {"Host": "localhost:PORT", "Sec-Fetch-Site": "none", **FIREFOX},  # typed in the address bar
        {"Host": "[::1]:PORT", "Referer": "http://[::1]:PORT/docs", **FIREFOX},
        {"Host": "192.0.2.1:PORT", "Referer": "http://192.0.2.1:PORT/docs", **FIREFOX},
        {"Host": "192.0.2.1", "Referer": "http://192.0.2.1/client/carol/etsi/docs?a=b", **HEADLESS},
        {"Host": "carol.localhost:PORT", "Origin": "http://carol.localhost:PORT", **FIREFOX},
    ],
)
async def test_its_own_page_may_ask(http, headers):
    assert (await asked(http, headers)).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize("host", ["system-7", "evil.example", "a b", "::::", ""])
async def test_of_what_is_no_browser_the_host_may_be_anything(http, host):
    reply = await asked(http, {"Host": host, "User-Agent": "curl/7.88.1", "Accept": "*/*"})
    assert reply.startswith("HTTP/1.1 200 ")


async def test_a_program_that_names_languages_needs_an_address_alone(http):
    """Deno's fetch, and that of Node.js, send Accept-Language as browsers do."""
    program = {"User-Agent": "node", "Accept-Language": "*", "Sec-Fetch-Mode": "cors"}
    assert (await asked(http, {"Host": "127.0.0.1:PORT", **program})).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT", "carol.example.net:PORT"])
async def test_powershell_needs_tls_or_another_name(http, keys, host):
    """Its Invoke-RestMethod: nothing tells it from a browser that sends no Accept-Language."""
    powershell = {
        "User-Agent": "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1"
    }
    reply = await asked(http, {"Host": host, **powershell})
    assert reply.startswith("HTTP/1.1 403 ")
    assert keys._made == 0
    demand_own_site(request({"Host": host, **powershell}, secure=True))
    reply = await asked(http, {"Host": host, "User-Agent": "sam"})
    assert reply.startswith("HTTP/1.1 200 ")


def request(headers, secure):
    """A request over TLS, or without it."""

    class Transport:
        def get_extra_info(self, name):
            return {"ssl_object": object() if secure else None}[name]

    return SimpleNamespace(transport=Transport(), headers=CIMultiDictProxy(CIMultiDict(headers)))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "kme-1.example", "Origin": "https://kme-1.example", **FIREFOX},
        {"Host": "kme-1.example", "Sec-Fetch-Site": "same-origin", **FIREFOX},
        {"Host": "system-7", **MOZILLA},  # some library of an encryptor's
        {"Host": "system-7"},
    ],
)
def test_over_tls_the_certificate_tells_the_server_s_name(headers):
    demand_own_site(request(headers, secure=True))


@pytest.mark.parametrize(
    "mark",
    [
        FIREFOX,
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Referer": "https://evil/"},
    ],
)
def test_over_tls_a_browser_has_the_encryptor_s_certificate_for_other_pages_too(mark):
    with pytest.raises(web.HTTPForbidden):
        demand_own_site(request({"Host": "kme-1.example", **mark}, secure=True))


@pytest.mark.parametrize("agent", [FIREFOX, HEADLESS])
def test_what_gives_no_key_may_be_opened_by_a_person(agent):
    """Nothing is told of which site asks, over a network, when an address is typed."""
    refuse_other_sites(request({"Host": "192.0.2.1:8100", **agent}, secure=False))
    for wrong in ({"Host": "evil.example"}, {"Host": "192.0.2.1", "Referer": "http://evil.example/"}):
        with pytest.raises(web.HTTPForbidden):
            refuse_other_sites(request({**wrong, **agent}, secure=False))
