"""For all tests: in which order their modules run, what need not be computed twice, and no time limits."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import HealthCheck, settings

from dsked.media import seal

#: No test is timed: machines are shared.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

#: Modules whose few tests take long, mostly waiting for daemons: begun last, they would leave workers idle.
LONG = (
    "torture/test_torture.py",
    "attacks/test_runs.py",
    "leaks/test_daemons.py",
    "system/test_openapi.py",
    "cli/test_psrd_running.py",
    "storage/test_injected_faults.py",
    "simulation/test_seeds.py",
    "engines/test_stored_keys_model.py",
    "interop/test_encryptors_document.py",
    "system/test_docs_page.py",
    "system/test_lab_certificates.py",
    "attacks/test_weather.py",
)
_HERE = Path(__file__).parent
_PLACES = {_HERE / name: number for number, name in enumerate(LONG)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long modules first; others stay in the order, a random one, that they have."""
    items.sort(key=lambda item: _PLACES.get(item.path, len(LONG)))


@functools.lru_cache(100)
def _derived(salt: bytes, length: int, n: int, r: int, p: int, secret: bytes) -> bytes:
    return Scrypt(salt, length, n, r, p).derive(secret)


class _RememberingScrypt:
    """Scrypt, which is slow on purpose, asked once for what the same bundle is read again and again with."""

    def __init__(self, salt: bytes, length: int, n: int, r: int, p: int) -> None:
        self._terms = (salt, length, n, r, p)

    def derive(self, secret: bytes) -> bytes:
        return _derived(*self._terms, secret)


@pytest.fixture(scope="session", autouse=True)
def _seals_are_derived_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(seal, "Scrypt", _RememberingScrypt)
        yield
