"""An audit log that cannot be written stops no keys: metrics tell of it, so that somebody does."""

from __future__ import annotations

from pathlib import Path

from tests.audit.test_log import full, keys, opened

from .scraping import scrape, serving


async def test_lines_that_are_lost_are_counted_and_stay_so(tmp_path: Path) -> None:
    path = tmp_path / "carol.audit"
    async with opened(path) as log, serving() as server:
        server.watch_audit(log)
        told = await scrape(server)
        assert (told("audit_log_failing"), told("audit_lines_lost_total")) == (0, 0)
        with full(path, 0):
            keys(log, "lost1", "lost2")
        told = await scrape(server)
        assert (told("audit_log_failing"), told("audit_lines_lost_total")) == (1, 2)
        keys(log, "sam")
        told = await scrape(server)
        assert (told("audit_log_failing"), told("audit_lines_lost_total")) == (0, 2)


async def test_of_a_log_that_is_off_nothing_is_said() -> None:
    async with serving() as server:
        told = await scrape(server)
    assert not told.series("audit_log_failing") + told.series("audit_lines_lost_total")
