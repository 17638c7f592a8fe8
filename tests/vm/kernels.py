"""Debian's stock kernels, unpacked beside the project: nothing is installed on the machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

CACHE = Path(".setup/kernels")
RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


class KernelError(RuntimeError):
    """A kernel cannot be had; the message says why."""


def kernel(release: str) -> Path:
    """The vmlinuz of a release's stock kernel, its modules in place beside it. Raises KernelError."""
    folder = CACHE.absolute() / release
    if not (folder / "complete").exists():
        _fetch(release, folder)
    (image,) = (folder / "root/boot").glob("vmlinuz-*")
    return image


def _fetch(release: str, folder: Path) -> None:
    print(f"vm: fetching the kernel of {RELEASES[release]}", flush=True)
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    (folder / "archives/partial").mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {_mirror()} {release} main\n")
    apt = [
        *("-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::State::status={folder}/status"),
        *("-o", f"Dir::Cache::archives={folder}/archives", "-o", f"Dir::Etc::sourcelist={folder}/sources.list"),
        *("-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"),
        *("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="),
    ]
    _run(["apt-get", *apt, "-qq", "update"], folder)
    depends = _run(["apt-cache", *apt, "depends", "linux-image-amd64"], folder)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if found is None:
        raise KernelError(f"{release}: linux-image-amd64 names no kernel:\n{depends}")
    _run(["apt-get", *apt, "-qq", "download", found[1]], folder)
    (package,) = folder.glob("linux-image-*.deb")
    _run(["dpkg", "-x", package.name, "root"], folder)
    package.unlink()
    modules = folder / "root" / "lib/modules"
    if not modules.exists():
        # Since Debian 13 the package has /usr/lib alone.
        (folder / "root/lib").symlink_to("usr/lib")
    (version,) = (path.name for path in modules.iterdir())
    _run(["depmod", "--basedir", str(folder / "root"), version], folder)
    (folder / "complete").touch()


def _mirror() -> str:
    found = re.search(r"^URIs:\s*(\S+)", _SOURCES.read_text(), re.MULTILINE)
    if found is None:
        raise KernelError(f"{_SOURCES}: expected a line URIs: with Debian's mirror")
    return found[1]


def _run(arguments: list[str], directory: Path) -> str:
    done = subprocess.run(arguments, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KernelError(f"{' '.join(arguments[:1])} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout
