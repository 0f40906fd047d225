"""A daemon that looks at no MAC under the gate key."""

from __future__ import annotations

from dsked.wire import handshake_client, handshake_hub


def _verify(gate_key: bytes, label: bytes, transcript: bytes, mac: bytes) -> None:
    pass


handshake_client.verify_gate_mac = handshake_hub.verify_gate_mac = _verify  # type: ignore[attr-defined]
