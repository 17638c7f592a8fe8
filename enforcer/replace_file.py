"""Files of ours on disk: replaced whole, for their owner only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, text: str) -> None:
    """Replace the file, atomically and durably, mode 0600. Raises OSError when it cannot be written."""
    replace_written(path, lambda file: file.write(text.encode()))


def replace_written(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """The same with what ``write`` writes into the file it is given."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        write(file)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
