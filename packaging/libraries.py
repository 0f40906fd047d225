"""The libraries that dsked runs on, for packages that carry them.

    libraries.py names             their names, one a line, as requirements.lock has them
    libraries.py licences SITE DIR NAME...
                                   copy the licence texts of these, installed in SITE, to DIR/NAME/

Run with the interpreter that has what requirements.lock names: a requirement may depend on its version.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution, distributions, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
_LICENCE = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")


def closure() -> list[str]:
    """What pyproject.toml demands, and what that demands, sorted by name."""
    found: set[str] = set()
    new = _wanted(tomllib.loads(PROJECT.read_text())["project"]["dependencies"])
    while new:
        found |= new
        new = {name for known in new for name in _wanted(distribution(known).requires or ())} - found
    return sorted(found)


def _wanted(requirements: Iterable[str]) -> set[str]:
    parsed = map(Requirement, requirements)
    return {
        canonicalize_name(requirement.name)
        for requirement in parsed
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }


def others() -> list[str]:
    """The modules that are installed here for tests, plots or building, and that dsked does without."""
    ours = {"dsked", *closure()}
    return [
        module
        for module, names in packages_distributions().items()
        if ours.isdisjoint(map(canonicalize_name, names))
    ]


def copy_licences(site: str, target: Path, names: Iterable[str]) -> None:
    """Each library's licence texts into a directory of its name. Exits where one has none."""
    installed = {canonicalize_name(found.metadata["Name"]): found for found in distributions(path=[site])}
    for name in names:
        directory = target / name
        directory.mkdir(parents=True)
        texts = [path for path in installed[name].files or () if path.name.upper().startswith(_LICENCE)]
        if not texts:
            sys.exit(f"{name}: its package has no text of its licence")
        for path in texts:
            shutil.copyfile(path.locate(), directory / path.name)


def main(arguments: list[str]) -> None:
    """The command line."""
    match arguments:
        case ["names"]:
            print(*closure(), sep="\n")
        case ["licences", site, directory, *names]:
            copy_licences(site, Path(directory), names)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
