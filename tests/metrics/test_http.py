"""The listener for metrics: what it answers, and what others may do to it."""

from __future__ import annotations

import asyncio

import pytest

from dsked.config.node import MetricsSettings
from dsked.errors import ConfigurationError
from dsked.limits import MAX_METRICS_CONNECTIONS, MAX_METRICS_REQUEST_BYTES
from dsked.metrics import http
from dsked.metrics import server as server_module
from dsked.metrics.http import is_own_host
from dsked.metrics.server import MetricsServer
from tests.metrics.scraping import LIMIT_S, get, say, serving


async def test_three_pages() -> None:
    async with serving() as server:
        metrics = await get(server, "/metrics")
        assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in metrics.head
        assert 'dsked_build_info{node="hank"' in metrics.body
        assert "process_cpu_seconds_total" in metrics.body
        assert (await get(server, "/healthz"))[::2] == (200, "ok\n")
        assert (await get(server, "/readyz"))[::2] == (200, "ready\n")
        assert (await get(server, "/metrics?x=1")).status == 200
        assert (await get(server, "/")).status == 404


async def test_a_node_that_does_not_serve_is_healthy_and_not_ready() -> None:
    async with serving(reason="1 of 5 hubs are connected") as server:
        assert (await get(server, "/readyz"))[::2] == (503, "1 of 5 hubs are connected\n")
        assert (await get(server, "/healthz")).status == 200
        assert "dsked_ready 0.0" in (await get(server, "/metrics")).body


async def test_head_gets_the_head_alone() -> None:
    async with serving() as server:
        got = await get(server, "/healthz", method="HEAD")
        assert (got.status, got.body) == (200, "")
        assert "Content-Length: 3" in got.head


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with serving() as server:
        assert (await get(server, "/metrics", method=method)).status == 405


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/2.0\r\n\r\n",
        b"GET  /metrics HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
)
async def test_what_is_no_request_gets_400(request_: bytes) -> None:
    async with serving() as server:
        assert (await say(server, request_)).startswith(b"HTTP/1.1 400 ")


async def test_a_request_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server:
        assert (await say(server, b"x" * (MAX_METRICS_REQUEST_BYTES + 1))).startswith(b"HTTP/1.1 431 ")
    monkeypatch.setattr(http, "METRICS_TIMEOUT_S", 0.05)
    async with serving() as server:
        with pytest.raises(ConnectionError):
            assert await say(server, b"GET /metrics HTTP/1.1\r\n") == b""
            raise ConnectionError  # an end of file serves as well


async def test_a_request_in_pieces_is_understood() -> None:
    async with serving() as server, asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for byte in b"GET /healthz HTTP/1.1\r\n\r\n":
            writer.write(bytes((byte,)))
            await writer.drain()
        assert (await reader.read()).endswith(b"ok\n")
        writer.close()


async def test_idle_connections_make_room() -> None:
    async with serving() as server, asyncio.timeout(LIMIT_S):
        idle = [
            await asyncio.open_connection("127.0.0.1", server.port) for _ in range(MAX_METRICS_CONNECTIONS)
        ]
        while len(server._scrapers) < MAX_METRICS_CONNECTIONS:  # noqa: ASYNC110  the loop's next turns bring it
            await asyncio.sleep(0)
        assert (await get(server, "/healthz")).status == 200
        assert len(server._scrapers) < MAX_METRICS_CONNECTIONS
        for _, writer in idle:
            writer.transport.abort()


async def test_all_who_ask_at_once_get_the_same_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SCRAPE_KEPT_TIMES", 1e6)  # however slow the machine
    scrapes = 0

    def source(scrape):
        nonlocal scrapes
        scrapes += 1
        yield

    async with serving() as server:
        server._sources.append(source)
        replies = await asyncio.gather(*(get(server, "/metrics") for _ in range(5)))
        assert {reply.status for reply in replies} == {200}
        assert scrapes == 1


async def test_a_fault_of_ours_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def source(scrape):
        yield
        raise RuntimeError("a fault")

    async with serving() as server:
        server._sources.append(source)
        assert (await get(server, "/metrics")).status == 500
        assert (await get(server, "/healthz")).status == 200
    assert "a request for metrics failed" in caplog.text


async def test_a_page_that_a_name_was_made_to_point_here_reads_nothing() -> None:
    async with serving() as server:
        assert (await get(server, "/metrics", host="evil.example:9464")).status == 403


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:9464", True),
        ("127.0.0.1", True),
        ("[::1]:9464", True),
        ("[::1]", True),
        ("localhost:9464", True),
        ("LOCALHOST", True),
        ("metrics.example.net:9464", True),
        ("", True),  # HTTP/1.0
        ("example.net:9464", False),
        ("localhost.example.net", False),
        ("127.0.0.1.example.net:9464", False),
    ],
)
def test_hosts(host: str, own: bool) -> None:
    assert is_own_host(host, "metrics.example.net") == own


async def test_an_address_that_is_taken_is_told_of() -> None:
    async with serving() as server:
        settings = MetricsSettings(host="127.0.0.1", port=server.port)
        other = MetricsServer(settings, "hub", "helen", lambda: None)
        with pytest.raises(ConfigurationError, match=r"metrics: cannot listen on 127\.0\.0\.1 port"):
            await other.start()
