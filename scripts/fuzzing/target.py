"""A target: one decoder of bytes from outside, with what may come out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: What a run of a decoder gives, in order; compared from one cutting of the input to the next.
Given = list[object]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One decoder.

    `decode`: takes an input and gives what it holds. `encode`: the bytes of what `decode` gave; `exact`
    says that they are the input itself, else they decode to the same once more.
    `stream`, in place of `decode`: takes the input cut into pieces, and appends what comes out, and at the
    end the state, to the list; all of it must be the same however the input was cut. `wire` turns the input
    into what is cut, where the two are not the same.
    `declared`: the errors that may come out; `shown`: the text that people see of one.
    `msgpack_at`: where msgpack begins in the input, if there is any. `script`: the input is a list of steps
    (script.py). `words`: what the format is made of.
    `regressions`: inputs that something once fell over.
    """

    name: str
    what: str
    declared: tuple[type[Exception], ...]
    seeds: Callable[[], Sequence[bytes]]
    shown: Callable[[Exception], str] = str
    decode: Callable[[bytes], object] | None = None
    encode: Callable[[object], bytes] | None = None
    exact: bool = True
    stream: Callable[[Sequence[bytes], Given], None] | None = None
    wire: Callable[[bytes], bytes] | None = None
    msgpack_at: int | None = None
    script: bool = False
    words: tuple[bytes, ...] = ()
    max_bytes: int = 4096
    regressions: tuple[bytes, ...] = ()

    @property
    def examples(self) -> list[bytes]:
        """Valid inputs, and those that something once fell over."""
        return [*self.seeds(), *self.regressions]
