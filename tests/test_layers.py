"""The import graph: what is pure stays pure, and imports run one way.

Every import statement counts, wherever it stands, those for type checkers too.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Time, randomness and the world outside are passed in. `logging` is there for the names of its levels.
IMPURE = {
    "asyncio", "concurrent", "fcntl", "io", "multiprocessing", "os", "pathlib", "queue", "random", "secrets",
    "select", "selectors", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time",
    "uvloop", "aiohttp", "numpy",
}  # fmt: skip
PURE = (
    "errors", "limits", "chosen_limits", "fair_limit", "secrecy", "seldom", "timers", "unfinished",
    "identifiers", "keys", "expiring", "audit.chain", "notice", "counters", "sharing", "auth", "psrd", "wire",
    "hub", "client", "entropy.health",
)  # fmt: skip
#: What a part may import, besides itself. Two engines never know each other; shells know engines.
FOUNDATION = {"errors", "limits", "chosen_limits", "fair_limit", "notice", "secrecy", "seldom"}
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "limits": set(),
    "chosen_limits": {"limits"},
    "fair_limit": set(),
    "secrecy": set(),
    "sockets": {"limits"},
    "timers": set(),
    "seldom": set(),
    "notice": set(),
    "audit": set(),
    "audit.chain": {"errors", "limits", "identifiers"},
    "audit.log": {*FOUNDATION, "audit.chain"},
    "counters": {"errors", "keys"},
    "unfinished": {"timers"},
    "identifiers": FOUNDATION,
    "sharing": FOUNDATION,
    "auth": {*FOUNDATION, "sharing"},
    "psrd": FOUNDATION,
    "wire": {*FOUNDATION, "sharing", "auth", "psrd"},
    "keys": FOUNDATION,
    "expiring": set(),
    "hub": {
        *FOUNDATION,
        "audit.chain",
        "expiring",
        "timers",
        "unfinished",
        "identifiers",
        "sharing",
        "psrd",
        "wire",
    },
    "client": {
        *FOUNDATION,
        "audit.chain",
        "expiring",
        "timers",
        "unfinished",
        "identifiers",
        "sharing",
        "psrd",
        "wire",
        "keys",
    },
    "storage": {*FOUNDATION, "psrd"},
    "entropy": {*FOUNDATION, "sharing"},
    "entropy.randomness": set(),
    "media": {*FOUNDATION, "identifiers", "config", "psrd", "storage", "entropy"},
    "config": FOUNDATION,
    "delivery": {
        *FOUNDATION,
        "audit.chain",
        "config",
        "sockets",
        "identifiers",
        "keys",
        "expiring",
        "__init__",
    },
    "encryptor": {*FOUNDATION, "identifiers", "keys", "config", "delivery"},
    "certs": {*FOUNDATION, "config", "delivery"},
    "net": {
        *FOUNDATION,
        "audit.log",
        "counters",
        "identifiers",
        "sockets",
        "entropy.randomness",
        "config",
        "psrd",
        "wire",
        "hub",
        "client",
        "keys",
    },
    "metrics": {
        *FOUNDATION,
        "audit.log",
        "counters",
        "sockets",
        "config",
        "psrd",
        "hub",
        "client",
        "net",
        "keys",
        "delivery",
        "__init__",
    },
    "daemon.descriptors": FOUNDATION,
    "daemon.logs": {*FOUNDATION, "config"},
    "daemon.process": {*FOUNDATION, "config", "daemon.descriptors", "daemon.logs"},
    "daemon.loading": {"config"},
    "daemon.reloading": FOUNDATION,
    "daemon.configuration": {
        "chosen_limits",
        "config",
        "delivery",
        "errors",
        "daemon.logs",
        "daemon.process",
    },
    "daemon.service_manager": {"delivery", "limits"},
    "daemon": {
        *FOUNDATION,
        "audit.log",
        "metrics",
        "daemon.process",
        "daemon.loading",
        "daemon.reloading",
        "daemon.configuration",
        "daemon.service_manager",
        "identifiers",
        "config",
        "hub",
        "client",
        "net",
        "delivery",
        "storage",
        "__init__",
    },
    "doctor": {*FOUNDATION, "config", "delivery", "certs", "identifiers", "keys", "media", "psrd"},
    "cli": {
        *FOUNDATION,
        "audit.chain",
        "config",
        "doctor",
        "delivery",
        "encryptor",
        "certs",
        "identifiers",
        "keys",
        "daemon.loading",
        "daemon",
        "psrd",
        "storage",
        "media",
        "entropy",
        "sharing",
        "__init__",
    },
    "__main__": {"cli"},
    "__init__": set(),
}


def _modules() -> dict[str, Path]:
    """Module name below `dsked`, and its file."""
    package = ROOT / "dsked"
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


MODULES = _modules()


def _part(module: str) -> str:
    return module if module in BELOW else module.split(".")[0]


def _imports(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports; `from a import b` gives a.b where b is a module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = inner.removeprefix("dsked.") in MODULES
                found.add(inner if is_module else node.module)
    return found


def _ours(path: Path) -> set[str]:
    names = {name for name in _imports(path) if name.split(".")[0] == "dsked"}
    return {name.removeprefix("dsked.") if name != "dsked" else "__init__" for name in names}


def _is_pure(module: str) -> bool:
    return any(module == pure or module.startswith(pure + ".") for pure in PURE)


def test_the_graph_is_the_real_one() -> None:
    """Guards the tests below against reading nothing."""
    assert {_part(module) for module in MODULES} == set(BELOW)
    assert "psrd.pair" in _ours(MODULES["wire.handshake"])
    assert "asyncio" in _imports(MODULES["net.tcp"])
    assert sum(map(_is_pure, MODULES)) > 30


@pytest.mark.parametrize("module", [module for module in MODULES if _is_pure(module)])
def test_what_is_pure_imports_no_clock_no_randomness_no_socket_no_disk(module: str) -> None:
    assert {name.split(".")[0] for name in _imports(MODULES[module])}.isdisjoint(IMPURE)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    part = _part(module)
    above = {name for name in _ours(MODULES[module]) if _part(name) not in {part, *BELOW[part]}}
    assert not above, f"dsked.{module} knows what stands above or beside it"


@pytest.mark.parametrize("module", [module for module in MODULES if _is_pure(module)])
def test_what_is_pure_calls_nothing_of_the_outside_by_itself(module: str) -> None:
    """No await, no open, no print."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "exec", "eval", "__import__"}


def test_no_circle_of_modules() -> None:
    graph = {module: _ours(path) & set(MODULES) - {module} for module, path in MODULES.items()}
    done: set[str] = set()
    while True:
        free = {module for module, needs in graph.items() if module not in done and needs <= done}
        if not free:
            break
        done |= free
    assert not set(graph) - done


def test_standard_library_names_are_real() -> None:
    """A mistyped name above would forbid nothing."""
    assert IMPURE - {"uvloop", "aiohttp", "numpy"} <= sys.stdlib_module_names
