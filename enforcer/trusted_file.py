"""Whether only its owner and root decide what a configuration or a list says."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def fault(path: Path, status: os.stat_result) -> str | None:
    """What is wrong with who may change a file, and what to do; None when nothing is.

    ``status`` is that of the file opened by ``path``. Not everyone may write to it, nor to the folder it was
    found in, unless the sticky bit keeps their files apart there. A symbolic link belongs to root, to who runs
    this, or to the owner of the file it leads to: anyone else could lead it to a file that they may not read, and
    read of it in messages (what the kernel's protected_symlinks is for, proc_sys_fs(5)).
    """
    if status.st_mode & stat.S_IWOTH:
        mode = stat.S_IMODE(status.st_mode)
        return f"can be written by everyone (mode {mode:04o}); run: chmod o-w {path}"
    link = path.lstat()
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in (0, os.geteuid(), status.st_uid):
        return (
            f"is a symbolic link of user {link.st_uid} to a file of user {status.st_uid}: name the file itself, "
            f"or run: chown -h {status.st_uid} {path}"
        )
    for folder in {path.parent, path.resolve().parent}:
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return (
                f"stands in a folder that everyone can write to (mode {stat.S_IMODE(mode):04o}); "
                f"run: chmod o-w {folder}"
            )
    return None
