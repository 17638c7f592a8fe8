"""The process that fuzzes: ``python -m tests.fuzz.child NAME FOLDER [LIBFUZZER OPTION...]``; see ``__main__``."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

from tests.fuzz.harness import load, unpack


def main(name: str, folder: Path, options: list[str]) -> None:
    with atheris.instrument_imports(include=["enforcer"]):
        harness = load(name)
    if "-merge=1" not in options:
        unpack(harness, folder)
    atheris.Setup([name, f"-max_len={harness.longest}", *options, str(folder)], harness.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
