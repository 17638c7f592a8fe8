"""A whole file into memory, or the reason why not."""

from __future__ import annotations

import stat
from pathlib import Path

from enforcer.problems import Findings


def read_file(path: Path, findings: Findings) -> bytes | None:
    """The bytes of a regular file. None, with the problem recorded, when it cannot be read or is empty."""
    file = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            findings.fatal(file, None, "is a directory: name the file in it")
            return None
        if not stat.S_ISREG(mode):
            findings.fatal(file, None, "is not a regular file: name a file on disk")
            return None
        data = path.read_bytes()
    except FileNotFoundError:
        findings.fatal(file, None, "does not exist: check the path in the configuration")
        return None
    except OSError as error:
        findings.fatal(file, None, f"cannot be read: {error.strerror}; check its owner and mode")
        return None
    if not data or data.isspace():
        findings.fatal(file, None, "the file is empty: expected a header and at least one row")
        return None
    return data
