"""Memory that forgets: what is freed is overwritten, so that a telephone number is gone once it is a tag.

Python leaves freed bytes as they are until they are used again. With its own allocator off and glibc told to
(mallopt(3), M_PERTURB), each freed block is overwritten at once. Both are read when a process starts.
"""

from __future__ import annotations

import os
import sys

_ENVIRONMENT = {"PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "165"}


def ensure() -> None:
    """Start this command again, in the same process, under an environment in which memory forgets."""
    if any(os.environ.get(name) != value for name, value in _ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **_ENVIRONMENT})
