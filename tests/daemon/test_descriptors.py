from __future__ import annotations

import resource

import pytest

from dsked.chosen_limits import DEFAULT_LIMITS
from dsked.daemon.descriptors import fitted, raise_limit
from dsked.errors import ConfigurationError
from dsked.limits import MAX_OPEN_BLOCK_FILES, SPARE_DESCRIPTORS


def test_enough_descriptors_change_nothing() -> None:
    assert fitted(DEFAULT_LIMITS, "hub", 65_536, dialled=0, files=True) == (
        DEFAULT_LIMITS, MAX_OPEN_BLOCK_FILES, "",
    )  # fmt: skip


@pytest.mark.parametrize("number", [64, 100, 1024, 4096])
@pytest.mark.parametrize(("role", "name"), [("hub", "max_connections"), ("client", "max_http_connections")])
@pytest.mark.parametrize("files", [False, True])
def test_all_limits_together_keep_below_the_number(number: int, role: str, name: str, files: bool) -> None:
    dialled = 3 if role == "client" else 0
    limits, blocks, cut = fitted(DEFAULT_LIMITS, role, number, dialled=dialled, files=files)
    connections = getattr(limits, name)
    used = connections + limits.max_control_connections + (2 * blocks if files else 0) + 2 * dialled
    assert used + SPARE_DESCRIPTORS <= number
    assert min(connections, limits.max_control_connections, blocks) >= 1
    assert bool(cut) == (limits != DEFAULT_LIMITS)
    assert (f"{name} to {connections}" in cut) == (connections < getattr(DEFAULT_LIMITS, name))


def test_too_few_are_told_clearly() -> None:
    with pytest.raises(
        ConfigurationError, match=r"54 file descriptors are too few for this client: .* 58 or more"
    ):
        fitted(DEFAULT_LIMITS, "client", 54, dialled=5, files=False)


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        assert raise_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_every_server_of_a_client_has_its_connections():
    limits, _blocks, cut = fitted(DEFAULT_LIMITS, "client", 200, dialled=5, files=False)
    halved, _blocks, _cut = fitted(DEFAULT_LIMITS, "client", 200, dialled=5, files=False, servers=2)
    assert cut
    assert halved.max_http_connections == limits.max_http_connections // 2
