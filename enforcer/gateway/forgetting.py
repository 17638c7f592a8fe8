"""Memory that forgets: what is freed is overwritten, so that a telephone number is gone once it is a tag.

Python leaves freed bytes as they are until they are used again. With its own allocator off and glibc told to
(mallopt(3), M_PERTURB), each freed block is overwritten at once: but for those that glibc keeps at hand for the
thread that freed them (glibc.malloc.tcache_count in the glibc manual, "Tunables"), so it keeps none. All three are
read when a process starts.
"""

from __future__ import annotations

import os
import sys

_ENVIRONMENT = {
    "PYTHONMALLOC": "malloc",
    "MALLOC_PERTURB_": "165",
    # A large block is mapped by itself and goes back to the system when freed: a list that was replaced is gone.
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.mmap_threshold=131072",
}


def ensure() -> None:
    """Start this command again, in the same process, under an environment in which memory forgets."""
    if any(os.environ.get(name) != value for name, value in _ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **_ENVIRONMENT})
