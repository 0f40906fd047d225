"""What metrics tell of a node's audit log: keys go on where it cannot be written, so somebody has to look."""

from __future__ import annotations

from collections.abc import Iterator

from dsked.audit.log import AuditLog
from dsked.metrics import families as f
from dsked.metrics.families import Scrape


def gather(audit: AuditLog, scrape: Scrape) -> Iterator[None]:
    """Stops once."""
    status = audit.status()
    scrape.add(f.AUDIT_LOST, status["nr_lost"])
    scrape.add(f.AUDIT_FAILING, status["problem"] is not None)
    yield
