"""Replies to STATUS as nodes give them, for what shows them."""

from __future__ import annotations

from typing import Any

from dsked.cli.errors import NodeNotRunningError
from dsked.cli.status_nodes import NodeState
from dsked.delivery.control_client import NoAnswerError


def pool(left: int, used: int, *, window: int | None = 65_536) -> dict[str, Any]:
    block = {"uuid": "0", "size": left + used, "nr_used_bytes": used, "nr_unused_bytes": left}
    return {
        "blocks": [block],
        "nr_blocks": 1,
        "owner": "local",
        "position": used,
        "nr_unused_bytes": left,
        "window": window,
    }


def hub_of_client(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "hub_name": name,
        "x_coordinate": 1,
        "registered": True,
        "problem": None,
        "late": False,
        "psrd_low": False,
        "restored_state_seen": False,
        "mismatches": {},
        "set_aside_for": [],
        "set_aside": False,
        "local_pool": pool(900_000, 100_000),
        "peer_pool": pool(500_000, 500_000),
        **changes,
    }


def client_of_hub(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "client_name": name,
        "encryptor_names": [],
        "registered": True,
        "connected": True,
        "psrd_low": False,
        "restored_state_seen": False,
        "nr_pending_shares": 7,
        "local_pool": pool(1, 0),
        "peer_pool": pool(1, 0),
        **changes,
    }


def client(name: str, hubs: list[dict[str, Any]], *, reason: str | None = None, **changes: Any) -> NodeState:
    own = {
        "name": name,
        "encryptor_names": [f"of-{name}"],
        "min_nr_shares": 2,
        "stored_keys": [],
        "peer_hubs": hubs,
        "keys": {
            "initiator": {"nr_keys": 1234, "failures": {}},
            "responder": {"nr_keys": 56, "failures": {}},
        },
        **changes,
    }
    return NodeState("client", name, 8105, answer("client", name, own, reason))


def hub(name: str, clients: list[dict[str, Any]], **changes: Any) -> NodeState:
    own = {
        "name": name,
        "peer_clients": clients,
        "nr_peer_clients": len(clients),
        "nr_registered": len(clients),
        "shares": {"nr_pending": 7, "nr_stored": 4321, "nr_refused": 0, "nr_expired": 0},
        **changes,
    }
    return NodeState("hub", name, 8100, answer("hub", name, own, None))


def answer(role: str, name: str, own: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {
        "role": role,
        "name": name,
        "pid": 4711,
        "version": "9.9.9",
        "ready": reason is None,
        "reason": reason,
        "status": own,
    }


def down(role: str, name: str) -> NodeState:
    return NodeState(role, name, 8100, NodeNotRunningError(f"{role} {name} on port 8100 is not running"))


def silent(role: str, name: str) -> NodeState:
    return NodeState(role, name, 8100, NoAnswerError("the node did not answer within 3 s"))
