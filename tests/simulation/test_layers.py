"""The simulator can be read from the bottom up: its imports run one way, those for type checkers too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import simulating

ROOT = Path(simulating.__file__).parent
#: From the bottom up, as the package's docstring tells them; folders stand for all that is in them.
PARTS = (
    "events", "topology", "enemies", "disks", "wires", "machines", "processes", "judging", "world",
    "supplies", "adversary", "load", "storm", "calm", "running", "results",
)  # fmt: skip
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(ROOT.rglob("*.py"))
    if path.name != "__init__.py"
}


def imports(module: str) -> set[str]:
    """The modules of the simulator that a module of it imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module}: imports are absolute"
            names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            found |= {name.removeprefix("simulating.") for name in names} & MODULES.keys()
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("simulating") for alias in node.names), module
    return found


def test_the_graph_is_the_real_one() -> None:
    assert {module.split(".")[0] for module in MODULES} == set(PARTS)
    assert "wires.inspection" in imports("processes")
    assert all(part in (simulating.__doc__ or "") for part in PARTS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_down(module: str) -> None:
    part = module.split(".")[0]
    above = PARTS[PARTS.index(part) + 1 :]
    assert {name for name in imports(module) if name.split(".")[0] in above} == set()


def test_lies_and_deeds_know_nothing_of_each_other_nor_of_the_world() -> None:
    known = {module: imports(module) for module in MODULES if module.startswith("enemies.")}
    assert {name.split(".")[0] for names in known.values() for name in names} == {"enemies"}
    for one, other in (("lies", "deeds"), ("deeds", "lies")):
        own = [names for module, names in known.items() if module.startswith(f"enemies.{one}.")]
        assert not any(name.startswith(f"enemies.{other}.") for name in set().union(*own))


def test_no_circle_of_modules() -> None:
    needs = {module: imports(module) for module in MODULES}
    while free := {module for module, names in needs.items() if not names & needs.keys()}:
        needs = {module: names for module, names in needs.items() if module not in free}
    assert not needs, "these import each other"
