"""Clean root directories of Debian releases, made once by mmdebstrap(1) and kept: nobody writes into them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab.processes import LabError

CACHE = Path(__file__).resolve().parents[2] / ".setup"
"""Where the Makefile keeps what it made; `make clean` removes it."""

RELEASES = {"12": "bookworm", "13": "trixie"}
"""Debian releases a package is built and tested for, by number."""

_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


def root(release: str, purpose: str, packages: Sequence[str], downloads: Sequence[str] = ()) -> Path:
    """A root directory of a Debian release (its number) with ``packages``, made when it is not there yet.

    Of ``downloads`` and all they depend on the packages lie in apt's cache: installed without a network.
    Raises LabError when mmdebstrap fails.
    """
    wanted = hashlib.sha256(repr((tuple(packages), tuple(downloads))).encode()).hexdigest()[:12]
    folder = CACHE / "roots"
    made = folder / f"debian-{release}-{purpose}-{wanted}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            print(f"roots: making a Debian {release} to {purpose}: a minute", file=sys.stderr, flush=True)
            _make(release, made, packages, downloads)
    return made


def inside(root: Path, arguments: Sequence[str], options: Sequence[str] = ()) -> list[str]:
    """The arguments that run a program in a root, as its root, without a network; changes are gone at its end."""
    return [
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--directory={root}", "--as-pid2"),
        *(
            "--volatile=overlay",
            "--private-network",
            "--resolv-conf=off",
            "--timezone=off",
            "--setenv=LANG=C.UTF-8",
        ),
        *options,
        *arguments,
    ]


def _make(release: str, made: Path, packages: Sequence[str], downloads: Sequence[str]) -> None:
    if os.geteuid() != 0:
        raise LabError("root directories of Debian are made by root: run it as root")
    if shutil.which("mmdebstrap") is None:
        raise LabError("mmdebstrap not found: run `make setup`")
    unfinished = made.with_name(f"{made.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    # MMDEBSTRAP_APT_CONFIG has apt of this machine work on the root: with its mirror, and how that is reached.
    install = f"apt-get --yes --install-recommends --download-only install {' '.join(downloads)}"
    done = subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"),
            *(
                ("--skip=cleanup/apt", f'--customize-hook=APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" {install}')
                if downloads
                else ()
            ),
            *(RELEASES[release], str(unfinished), _mirror()),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"mmdebstrap {RELEASES[release]}: exit code {done.returncode}\n{done.stdout[-2000:]}")
    unfinished.rename(made)


def _mirror() -> str:
    """The mirror this machine's own packages come from."""
    for line in _SOURCES.read_text().splitlines():
        if line.startswith("URIs:"):
            return line.split()[1]
    raise LabError(f"{_SOURCES}: no line with URIs: expected the form of deb822")
