"""Metrics as whoever scrapes them sees them: over HTTP, and parsed by Prometheus's own rules."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from dsked.config.node import MetricsSettings
from dsked.metrics.server import MetricsServer

LIMIT_S = 10.0


class Got(NamedTuple):
    """A reply."""

    status: int
    head: str
    body: str


class Scraped:
    """The samples of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """The value of one series; KeyError where there is none."""
        return self.samples[f"dsked_{name}", frozenset(labels.items())]

    def series(self, name: str) -> int:
        """How many series a metric has."""
        return sum(of == f"dsked_{name}" for of, _ in self.samples)


@asynccontextmanager
async def serving(host: str = "127.0.0.1", reason: str | None = None) -> AsyncIterator[MetricsServer]:
    server = MetricsServer(MetricsSettings(host=host, port=0), "hub", "hank", lambda: reason)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def say(server: MetricsServer, request: bytes) -> bytes:
    """All that is answered until the server closes."""
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.transport.abort()


async def get(server: MetricsServer, path: str, host: str = "127.0.0.1:9464", method: str = "GET") -> Got:
    answer = await say(server, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head, _, body = answer.decode().partition("\r\n\r\n")
    return Got(int(head.split(" ")[1]), head, body)


async def scrape(server: MetricsServer) -> Scraped:
    """A new scrape: the one that is kept is given up."""
    server._forget()
    got = await get(server, "/metrics")
    assert got.status == 200
    return Scraped(got.body)


def promtool(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True)
