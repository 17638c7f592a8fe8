"""No core dump of a process that holds who holds which address."""

from __future__ import annotations

import ctypes
import os

_PR_SET_DUMPABLE = 4
"""linux/prctl.h; its effects are in prctl(2)."""


def forbid() -> None:
    """Have the kernel write no core dump of this process, whatever limits and pattern this machine has for them.

    Raises OSError when the kernel refuses. Programs that this process starts are not bound by it.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
