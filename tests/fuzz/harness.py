"""What every harness is, where its inputs are kept, and how they are packed. Imports nothing of the program.

A harness is a module of ``tests.fuzz.harnesses`` with ``LONGEST`` (bytes of an input at most), ``seeds()`` (inputs
by name, made by code) and ``one(data)``, which raises for an input that breaks an invariant.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent
FINDINGS = _HERE / "findings"
"""Inputs that broke an invariant once, ``NAME-*``: replayed by the unit tests for ever."""

_PACKED = _HERE / "corpus"
WORK = _HERE.parents[1] / "build" / "fuzz"
"""Growing corpora and totals; no part of the repository."""

NAMES = (
    "link", "reassembly", "packet", "flow", "capture", "registry_csv", "registry_yaml", "config", "radius",
    "control",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Harness:
    """A harness that was loaded."""

    name: str
    longest: int
    seeds: Callable[[], dict[str, bytes]]
    one: Callable[[bytes], None]


def load(name: str) -> Harness:
    """The harness of that name; its module, and what it tests, are imported now."""
    module = importlib.import_module(f"tests.fuzz.harnesses.{name}")
    return Harness(name, module.LONGEST, module.seeds, module.one)


def packed(name: str) -> list[bytes]:
    """The corpus in the repository: one input a line, in base64."""
    path = _PACKED / f"{name}.txt"
    return [base64.b64decode(line) for line in path.read_text("ascii").splitlines()] if path.exists() else []


def pack(name: str, inputs: Iterable[bytes], most: int) -> int:
    """Write the repository's corpus: the shortest inputs, ``most`` bytes of file in all. How many they are."""
    lines: list[str] = []
    left = most
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        line = base64.b64encode(data).decode("ascii")
        left -= len(line) + 1
        if left < 0:
            break
        lines.append(line)
    _PACKED.mkdir(exist_ok=True)
    (_PACKED / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), "ascii")
    return len(lines)


def findings(name: str) -> list[Path]:
    """The files of inputs that broke this harness once."""
    return sorted(FINDINGS.glob(f"{name}-*"))


def unpack(harness: Harness, folder: Path) -> None:
    """Put seeds and the repository's corpus into a folder, a file for each."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in (*harness.seeds().values(), *packed(harness.name)):
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
