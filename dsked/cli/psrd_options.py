"""Options of `dskectl psrd` commands: sizes, passphrases, and which node is meant."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click

from dsked import limits
from dsked.errors import ConfigurationError

Function = TypeVar("Function", bound=Callable[..., Any])

_SIZE = re.compile(r"(\d{1,20})\s*(?:([KMGT])(?:i?B)?|B)?", re.ASCII | re.IGNORECASE)
_DECIMAL = re.compile(r"\d+\s*[KMGT]B", re.ASCII | re.IGNORECASE)


def size(text: str) -> int:
    """A number of bytes: 65536, 64K, 64KiB (1024 each); 64KB is refused, for people disagree on it."""
    match = _SIZE.fullmatch(text)
    if match is None or _DECIMAL.fullmatch(text):
        raise click.BadParameter(
            f"{text!r} is no size; expected bytes, or a number with K, M, G or T (1024 each)."
        )
    if not int(match[1]):
        raise click.BadParameter(f"{text!r} is no byte; expected one or more.")
    return int(match[1]) << (10 * " KMGT".index((match[2] or " ").upper()))


def passphrase_options(function: Function) -> Function:
    """--passphrase-file and --passphrase-fd, as `passphrase_file` and `passphrase_fd`."""
    file = click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Its first line is the passphrase.  [default: asked for]",
    )
    fd = click.option("--passphrase-fd", type=int, metavar="N", help="The same from an open file descriptor.")
    return file(fd(function))


@dataclass(frozen=True)
class Passphrases:
    """Where passphrases come from: a file, a descriptor, or the person at the terminal."""

    file: Path | None
    fd: int | None

    def __post_init__(self) -> None:
        if self.file is not None and self.fd is not None:
            raise click.UsageError("--passphrase-file and --passphrase-fd: say one of them.")

    @property
    def given(self) -> bool:
        """Whether one of the options was used."""
        return self.file is not None or self.fd is not None

    def lines(self, number: int) -> list[str]:
        """The first lines of the file or the descriptor. Raises ConfigurationError if there are fewer."""
        where = str(self.file) if self.file is not None else f"descriptor {self.fd}"
        try:
            found = self._raw.decode().splitlines()[:number]
        except OSError as error:
            raise ConfigurationError(f"{where}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{where}: a passphrase is text in UTF-8") from None
        if len(found) < number or not all(found):
            raise ConfigurationError(f"{where}: {number} line{'s' * (number > 1)} with a passphrase expected")
        return found

    def existing(self, what: str) -> str:
        """The passphrase of something that is sealed already."""
        return self.lines(1)[0] if self.given else _ask(f"Passphrase of {what}", twice=False)

    def new(self, what: list[str]) -> list[str]:
        """A passphrase for each. Raises ConfigurationError for one that is too short."""
        if self.given:
            return [_long_enough(passphrase) for passphrase in self.lines(len(what))]
        return [_ask(f"Passphrase for {one}", twice=True) for one in what]

    @cached_property
    def _raw(self) -> bytes:
        """A descriptor can be read one time only, and may be asked for several bundles."""
        limit = limits.MAX_PASSPHRASE_FILE_BYTES
        if self.file is not None:
            with self.file.open("rb") as file:
                return file.read(limit)
        assert self.fd is not None
        pieces = []
        while limit > 0 and (piece := os.read(self.fd, limit)):
            pieces.append(piece)
            limit -= len(piece)
        return b"".join(pieces)


def _ask(text: str, *, twice: bool) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for a passphrase; say --passphrase-file FILE.")
    check = _long_enough if twice else None  # before the repetition
    answer: str = click.prompt(text, hide_input=True, err=True, confirmation_prompt=twice, value_proc=check)
    return answer


def _long_enough(passphrase: str) -> str:
    """A new passphrase. Raises ConfigurationError if it is too short."""
    if len(passphrase) < limits.MIN_PASSPHRASE_CHARACTERS:
        raise ConfigurationError(
            f"a passphrase of at least {limits.MIN_PASSPHRASE_CHARACTERS} characters is expected: who "
            "copies the medium can try without end"
        )
    return passphrase
