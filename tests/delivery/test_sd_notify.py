from __future__ import annotations

import socket
import uuid

import pytest

from dsked.delivery.sd_notify import notify


def listening(address):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(address)
    manager.setblocking(False)
    return manager


def test_the_manager_gets_the_state(tmp_path):
    path = str(tmp_path / "notify")
    with listening(path) as manager:
        assert notify("READY=1\nSTATUS=serving", {"NOTIFY_SOCKET": path})
        assert manager.recv(100) == b"READY=1\nSTATUS=serving"


def test_an_address_in_the_abstract_namespace():
    name = f"dsked-test-{uuid.uuid4()}"
    with listening("\0" + name) as manager:
        assert notify("READY=1", {"NOTIFY_SOCKET": "@" + name})
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "/nonexistent/notify"},
        {"NOTIFY_SOCKET": "/" + "x" * 200},
    ],
)
def test_without_a_manager_nothing_is_sent(environment):
    assert not notify("READY=1", environment)
