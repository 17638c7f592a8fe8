"""The process that fuzzes: ``python -m tests.fuzz.child NAME FOLDER [LIBFUZZER OPTION...]``; see ``__main__``."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

from tests.fuzz.harness import load, unpack


def main(name: str, folder: Path, options: list[str]) -> None:
    with atheris.instrument_imports(include=["enforcer"]):
        harness = load(name)
    if not any(option.startswith("-merge") for option in options):
        unpack(harness, folder)
    # To distil a corpus libFuzzer runs itself anew by this, through a shell.
    again = f"{sys.executable} -m tests.fuzz.child {name} {folder}"
    atheris.Setup([again, f"-max_len={harness.longest}", str(folder), *options], harness.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
