"""A whole file into memory, or the reason why not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from enforcer.problems import Findings
from enforcer.trusted_file import fault

MOST_BYTES = 1 << 30
"""Bytes of a list at most: ten times what a million registrations take."""


def read_file(path: Path, findings: Findings) -> bytes | None:
    """The bytes of a regular file.

    None, with the problem recorded, when it cannot be read, is empty or longer than ``MOST_BYTES``, or when others
    than its owner decide what stands in it (``trusted_file``).
    """
    file = str(path)
    try:
        # A FIFO would otherwise block here until someone writes to it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as opened:
            status = os.fstat(opened.fileno())
            wrong = _kind(status) or fault(path, status)
            if wrong is not None:
                findings.fatal(file, None, wrong)
                return None
            data = opened.read()
    except IsADirectoryError:
        findings.fatal(file, None, "is a directory: name the file in it")
        return None
    except FileNotFoundError:
        findings.fatal(file, None, "does not exist: check the path in the configuration")
        return None
    except OSError as error:
        findings.fatal(file, None, f"cannot be read: {error.strerror}; check its owner and mode")
        return None
    if not data.strip():
        findings.fatal(file, None, "the file is empty: expected a header and at least one row")
        return None
    return data


def _kind(status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file: name a file on disk"
    if status.st_size > MOST_BYTES:
        return f"has {status.st_size:,} bytes: expected at most {MOST_BYTES:,}"
    return None
