"""A headless Chromium, driven over the DevTools protocol."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from scripts.laboratory import LIMIT_S
from tests.delivery.pki import Authority, Holder

_PROGRAMS = ("chromium", "google-chrome")
#: Without its sandbox, which refuses to run as root; and with nothing that it asks the Internet by itself.
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--password-store=basic", "--no-proxy-server", "--remote-debugging-port=0", "--window-size=1200,1600",
)  # fmt: skip
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_LOADED = """new Promise(resolve => {
  if (document.readyState === "complete") return resolve();
  addEventListener("load", () => resolve());
})"""
#: Resolves to the element as soon as the page has it.
_ELEMENT = """selector => new Promise(resolve => {
  const look = () => document.querySelector(selector);
  if (look()) return resolve(look());
  const observer = new MutationObserver(() => { if (look()) { observer.disconnect(); resolve(look()); } });
  observer.observe(document, {childList: true, subtree: true, attributes: true});
})"""


def program() -> str:
    """The browser. Raises FileNotFoundError where there is none."""
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if found is None:
        raise FileNotFoundError(f"none of {', '.join(_PROGRAMS)}: scripts/setup.sh --tests installs one")
    return found


class Page:
    """One tab. `asked` has the addresses of all that it loaded, `complaints` what its console says."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.complaints: list[str] = []

    async def listen(self) -> None:
        """Take what the browser says, until it is gone."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Network.requestWillBeSent":
                self.asked.append(said["params"]["request"]["url"])
            elif said["method"] == "Log.entryAdded":
                self.complaints.append(said["params"]["entry"]["text"])
            elif said["method"] == "Runtime.exceptionThrown":
                self.complaints.append(said["params"]["exceptionDetails"]["text"])

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and what it gives."""
        number = next(self._numbers)
        reply = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        said = await asyncio.wait_for(reply, LIMIT_S)
        assert "error" not in said, f"{method}: {said['error']['message']}"
        result: dict[str, Any] = said["result"]
        return result

    async def open(self, url: str) -> None:
        """Go to an address until its page is loaded, and note what that does from its beginning on."""
        for domain in ("Network", "Log", "Runtime", "Page"):
            await self.command(f"{domain}.enable")
        await self.command("Page.navigate", url=url)
        await self.evaluate(_LOADED)

    async def click(self, selector: str) -> None:
        """Click on an element, once the page has it."""
        await self._on(selector, "element => element.click()")

    async def type(self, selector: str, text: str) -> None:
        """Type into a field, in place of what stands there."""
        await self._on(selector, "element => { element.focus(); element.select(); }")
        await self.command("Input.insertText", text=text)
        await self._on(selector, "element => element.blur()")  # or the page would wait for more

    async def text(self, selector: str) -> str:
        """The text of an element, once the page has it."""
        return str(await self._on(selector, "element => element.innerText"))

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript's in the page."""
        done = await self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    async def _on(self, selector: str, function: str) -> Any:
        return await self.evaluate(f"({_ELEMENT})({json.dumps(selector)}).then({function})")


class Profile:
    """What a browser has of its user, in an empty directory: settings, and a store of certificates."""

    def __init__(self, directory: Path) -> None:
        self.home, self.data = directory, directory / "data"
        self._store = directory / ".pki" / "nssdb"  # where Chromium looks
        self._settings = self.data / "Default" / "Preferences"
        for made in (self._store, self._settings.parent):
            made.mkdir(parents=True)
        self._certutil("-N", "--empty-password")

    def trust(self, authority: Authority) -> None:
        """Take servers' certificates that it has signed."""
        self._certutil("-A", "-n", "CA", "-t", "C,,", "-i", str(authority.path))

    def show(self, holder: Holder, *origins: str) -> None:
        """Import a certificate, and show it to these servers without asking anybody."""
        secret = "of the file"
        packed = pkcs12.serialize_key_and_certificates(
            b"encryptor", holder.key, holder.x509, None, BestAvailableEncryption(secret.encode())
        )
        file = self.home / "encryptor.p12"
        file.write_bytes(packed)
        _run("pk12util", "-d", f"sql:{self._store}", "-i", str(file), "-W", secret, "-K", "")
        chosen = {f"{origin},*": {"setting": {"filters": [{}]}} for origin in origins}
        exceptions = {"content_settings": {"exceptions": {"auto_select_certificate": chosen}}}
        self._settings.write_text(json.dumps({"profile": exceptions}))

    def _certutil(self, *arguments: str) -> None:
        _run("certutil", "-d", f"sql:{self._store}", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def profile() -> Iterator[Profile]:
    """A new one; it is gone in the end."""
    with tempfile.TemporaryDirectory(prefix="dsked-browser-", ignore_cleanup_errors=True) as directory:
        yield Profile(Path(directory))


@asynccontextmanager
async def browsing(user: Profile, *options: str) -> AsyncIterator[Page]:
    """A browser with an empty page; it is gone in the end."""
    process = await asyncio.create_subprocess_exec(
        program(), *_OPTIONS, *options, f"--user-data-dir={user.data}", "about:blank",
        env={**os.environ, "HOME": str(user.home)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with _first_page(await _address(process)) as page:
            yield page
    finally:
        with suppress(ProcessLookupError):  # its helpers too, which it does not take with it
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    """The address that the browser listens on for commands, which it tells on standard error."""
    assert process.stderr is not None
    async for line in process.stderr:
        _, found, address = line.decode().strip().partition("DevTools listening on ws://")
        if found:
            return address.partition("/")[0]
    raise RuntimeError("the browser ended before it listened")


@asynccontextmanager
async def _first_page(address: str) -> AsyncIterator[Page]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{address}/json/list") as reply:
            targets = await reply.json()
        url = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
        async with session.ws_connect(url, max_msg_size=_MAX_MESSAGE_BYTES) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            yield page
            listening.cancel()
