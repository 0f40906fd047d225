"""What a running node says of itself, judged: whether it is ready, its hubs or clients, what it has seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dsked.doctor.finding import Finding, fault, good, warning

_CHECK, _AUDIT = "node", "audit log"
Answer = Mapping[str, Any]


def check(answer: Answer) -> Iterator[Finding]:
    """`answer`: of STATUS, over the control socket."""
    about = f"{answer['role']} {answer['name']}"
    process = {key: answer[key] for key in ("version", "pid")}
    if answer["ready"]:
        text = f"is ready (version {answer['version']}, process {answer['pid']})"
        yield good(_CHECK, about, text, **process)
    else:
        yield fault(_CHECK, about, f"is not ready: {answer['reason']}", **process)
    status = answer["status"]
    if answer["role"] == "client":
        yield from _of_hubs(about, status)
    else:
        yield from _of_clients(about, status)
    yield from _of_audit_log(about, status.get("audit_log"))
    if status.get("draining"):
        yield warning(
            _CHECK, about, "takes no new shares (drained): start it anew to have it take them again"
        )


def _of_audit_log(about: str, audit: Answer | None) -> Iterator[Finding]:
    if audit is None:
        return
    if audit["problem"]:
        yield fault(_AUDIT, about, f"{audit['path']}: {audit['problem']}")
    elif audit["nr_lost"]:
        yield warning(_AUDIT, about, f"{audit['path']}: {audit['nr_lost']} lines could not be written")
    else:
        yield good(_AUDIT, about, f"{audit['path']}: {audit['number']} lines")


def _of_hubs(about: str, status: Answer) -> Iterator[Finding]:
    for hub in status["peer_hubs"]:
        pair = f"{about}, hub {hub['hub_name']}"
        if hub["registered"]:
            yield good(_CHECK, pair, "is connected, and has taken the encryptors")
        else:
            yield fault(_CHECK, pair, hub["problem"] or "is not connected")
        if hub["late"]:
            yield warning(_CHECK, pair, "acknowledges too late, and is not waited for at present")
        if hub.get("draining"):
            yield warning(_CHECK, pair, "takes no new shares at present: it is being drained or stopped")
        if hub["mismatches"]:
            yield fault(
                _CHECK,
                pair,
                f"gave shares that are provably wrong: {_listed(hub['mismatches'])}; talk to its owner",
            )
        if hub["restored_state_seen"]:
            yield _restored(pair)


def _of_clients(about: str, status: Answer) -> Iterator[Finding]:
    for client in status["peer_clients"]:
        pair = f"{about}, client {client['client_name']}"
        if client["connected"] and client["registered"]:
            yield good(_CHECK, pair, "is connected")
        else:
            yield warning(_CHECK, pair, "is not connected: its own doctor tells why")
        if client["restored_state_seen"]:
            yield _restored(pair)
    for client, reason in status.get("closed_pools", {}).items():
        yield fault(_CHECK, f"{about}, client {client}", f"its pools cannot be opened: {reason}")


def _restored(pair: str) -> Finding:
    return fault(
        _CHECK,
        pair,
        "the other side proved that this node's state was set back or cloned: find out why, and begin new "
        "streams (psrd generate --new-streams)",
    )


def _listed(mismatches: Mapping[str, int]) -> str:
    return ", ".join(f"{number} of keys of {initiator}" for initiator, number in mismatches.items())
