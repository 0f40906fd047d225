"""The page at /docs of real daemons in a real browser, over plain HTTP and over mutual TLS."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.laboratory import Laboratory
from tests.delivery.pki import Holder, Pki

from .browser import Page, Profile, browsing, profile
from .support import small, started, started_over_tls, wait_for_hubs

HUBS = ["hank", "helen", "hilary"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with started(small(HUBS, k=2)) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        yield lab


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    pki = Pki(tmp_path)
    pki.server_of("curtis")
    return pki


@pytest.fixture
def tls_lab(pki: Pki) -> Iterator[Laboratory]:
    with started_over_tls(pki.directory, small(HUBS, k=2)) as lab:
        yield lab


async def opened(page: Page, url: str, operation: str) -> str:
    """Open the page, and a method on it: the selector of that."""
    await page.open(url)
    selector = f"#operations-Keys-{operation}"
    await page.click(f"{selector} .opblock-summary-control")
    return selector


async def reply_to(page: Page, operation: str) -> Any:
    """Send what is filled in: the reply's JSON, as it is shown."""
    await page.click(f"{operation} .execute")
    shown = await page.text(f"{operation} .live-responses-table .highlight-code code")
    assert await page.text(f"{operation} .live-responses-table tbody .response-col_status") == "200"
    return json.loads(shown)


async def make_key(page: Page, origin: str) -> Any:
    """A new key for sunny: the reply."""
    get_key = await opened(page, f"{origin}/docs", "getKey")
    await page.type(f"{get_key} [data-param-name=slave_SAE_ID] input", "sunny")
    await page.type(f"{get_key} [data-param-name=size] input", "256")
    made = await reply_to(page, get_key)
    assert [len(base64.b64decode(key["key"])) for key in made["keys"]] == [32]
    return made


async def fetch_key(page: Page, fetch: str, made: Any) -> Any:
    """The key of sam's, on the page that is open: the reply."""
    await page.type(f"{fetch} [data-param-name=master_SAE_ID] input", "sam")
    wanted = {"key_IDs": [{"key_ID": key["key_ID"]} for key in made["keys"]]}
    await page.type(f"{fetch} .body-param__text", json.dumps(wanted))
    return await reply_to(page, fetch)


async def test_a_key_by_clicks_on_the_page(lab: Laboratory, user: Profile) -> None:
    """At both ends. It loads nothing from elsewhere, and keeps its own policy."""
    carol, curtis = (f"http://127.0.0.1:{lab.port(client)}" for client in ("carol", "curtis"))
    async with browsing(user) as page:
        made = await make_key(page, carol)
        fetch = await opened(page, f"{curtis}/docs", "postForKeyWithKeyIDs")
        await page.click(".auth-wrapper .authorize")
        await page.type(".auth-container input", "sunny")
        await page.click(".auth-container .authorize")
        await page.click(".auth-container .btn-done")
        assert await fetch_key(page, fetch, made) == made
        assert all(url.startswith((f"{carol}/", f"{curtis}/", "data:")) for url in page.asked), page.asked
        assert page.complaints == []


async def test_over_a_network_too(lab: Laboratory, user: Profile) -> None:
    """There browsers do not send Sec-Fetch-Site: the page has them say otherwise that it asks itself."""
    async with browsing(user, "--host-resolver-rules=MAP 192.0.2.1 127.0.0.1") as page:
        await make_key(page, f"http://192.0.2.1:{lab.port('carol')}")
        assert page.complaints == []


async def test_over_mutual_tls_with_a_certificate_in_the_browser(
    tls_lab: Laboratory, pki: Pki, user: Profile
) -> None:
    """No name is typed: each end is who its certificate says."""
    made = await over_tls(tls_lab, pki, user, "carol", pki.encryptor("sam"))
    with profile() as another:
        assert await over_tls(tls_lab, pki, another, "curtis", pki.encryptor("sunny"), made) == made


async def over_tls(
    lab: Laboratory, pki: Pki, user: Profile, client: str, holder: Holder, made: Any = None
) -> Any:
    """A new key, or the one that was made, over the page of this client's."""
    origin = f"https://127.0.0.1:{lab.port(client)}"
    user.trust(pki.ca)
    user.show(holder, origin)
    async with browsing(user) as page:
        if made is None:
            reply = await make_key(page, origin)
        else:
            fetch = await opened(page, f"{origin}/docs", "postForKeyWithKeyIDs")
            reply = await fetch_key(page, fetch, made)
        assert page.complaints == []
    return reply
