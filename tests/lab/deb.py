"""Builds the Debian package (make deb): for each release in a clean root of it, offline.

What it bundles is pinned with hashes in debian/requirements.lock (make lock). The packages land in dist/.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.markers import Marker

from tests.lab.processes import LabError
from tests.lab.roots import CACHE, RELEASES, inside, root

REPOSITORY = Path(__file__).resolve().parents[2]
LOCK = REPOSITORY / "debian" / "requirements.lock"
PYTHON = {"12": "3.11.2", "13": "3.13.5"}
"""Each release's Python."""

_PIN = re.compile(r"^(\S+==\S+)(?: ; (.*?))? ((?:\\\n    --hash=\S+ ?)+)", re.MULTILINE)

_WHEELS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""Both releases' C library is newer than 2.28."""


def build(release: str, version: str, target: Path) -> Path:
    """The package of a version (PEP 440) for a Debian release. Raises LabError, with the build's last lines."""
    libraries = wheels()
    environment = root(release, "build", build_dependencies())
    with TemporaryDirectory() as temporary:
        source = Path(temporary) / "enforcer"
        _copy_source(source)
        when = int(git("log", "-1", "--format=%ct"))
        debian_version = f"{debian(version)}~deb{release}"
        (source / "debian" / "changelog").write_text(changelog(debian_version, release, when))
        settings = {
            "SOURCE_DATE_EPOCH": str(when),
            "UPSTREAM_VERSION": version,
            "WHEELS": "/wheels",
            "NO_COLOR": "1",
            "DPKG_COLORS": "never",
        }
        done = subprocess.run(
            inside(
                environment,
                ["dpkg-buildpackage", "--build=binary", "--no-sign"],
                [
                    *("--private-users=no", f"--bind={temporary}:/build", f"--bind-ro={libraries}:/wheels"),
                    *("--chdir=/build/enforcer", *(f"--setenv={name}={text}" for name, text in settings.items())),
                ],
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        built = Path(temporary) / f"enforcer_{debian_version}_amd64.deb"
        if done.returncode or not built.exists():
            raise LabError(f"the package for Debian {release} was not built:\n{done.stdout[-4000:]}")
        target.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(built, target))


def upstream_version() -> str:
    """The version that git's tags say (PEP 440)."""
    done = subprocess.run(
        [sys.executable, "-m", "setuptools_scm"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def wheels() -> Path:
    """The folder of the pinned libraries for every release's Python, fetched when the pins changed."""
    text = LOCK.read_text()
    folder = CACHE / "wheels" / hashlib.sha256(text.encode()).hexdigest()[:12]
    if folder.exists():
        return folder
    print("deb: fetching the pinned libraries", file=sys.stderr, flush=True)
    with TemporaryDirectory() as temporary:
        fetched = Path(temporary) / "wheels"
        for python in PYTHON.values():
            _fetch(text, python, fetched)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(fetched, folder, dirs_exist_ok=True)
    return folder


def _fetch(locked: str, python: str, target: Path) -> None:
    # pip judges markers by the Python it runs on, not by the one it fetches for.
    release = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    pins = [
        f"{pin} {hashes}"
        for pin, marker, hashes in _PIN.findall(locked)
        if not marker or Marker(marker).evaluate(release)
    ]
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--require-hashes",
                "--requirement=/dev/stdin",
            ),
            *(f"--dest={target}", f"--python-version={python}", "--implementation=cp"),
            *(f"--abi=cp{release['python_version'].replace('.', '')}", "--abi=abi3", "--abi=none"),
            *(f"--platform={platform}" for platform in _WHEELS),
        ],
        input="\n".join(pins),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"the pinned libraries cannot be fetched:\n{done.stderr[-2000:]}")


def build_dependencies() -> list[str]:
    """What debian/control says a build needs, without versions, and what looks at the result."""
    control = (REPOSITORY / "debian" / "control").read_text()
    listed = re.search(r"^Build-Depends:(.*?)^\S", control, re.MULTILINE | re.DOTALL)
    if listed is None:
        raise LabError("debian/control has no Build-Depends")
    return ["build-essential", "lintian", *(item.split()[0] for item in listed[1].split(","))]


def debian(version: str) -> str:
    """A Python version (PEP 440) as Debian's: a release candidate comes before its release (Policy 5.6.12)."""
    public, plus, local = version.partition("+")
    return re.sub(r"(?<=\d)(a|b|rc)(?=\d)", r"~\1", public) + plus + local


def changelog(version: str, release: str, when: int) -> str:
    """debian/changelog: one entry, of the top section of CHANGELOG.md. ``when`` is in seconds (Unix time)."""
    section = (REPOSITORY / "CHANGELOG.md").read_text().split("\n## ")[1]
    items = [" ".join(item.split()) for item in re.split(r"^- ", section, flags=re.MULTILINE)[1:]]
    body = "\n".join(textwrap.fill(item, 79, initial_indent="  * ", subsequent_indent="    ") for item in items)
    control = (REPOSITORY / "debian" / "control").read_text()
    maintainer = re.search(r"^Maintainer: (.*)$", control, re.MULTILINE)
    if maintainer is None:
        raise LabError("debian/control has no Maintainer")
    date = format_datetime(datetime.fromtimestamp(when, UTC))
    return f"enforcer ({version}) {RELEASES[release]}; urgency=medium\n\n{body}\n\n -- {maintainer[1]}  {date}\n"


def _copy_source(target: Path) -> None:
    """What git knows of, as it is in the work tree."""
    for name in git("ls-files", "-z").split("\0"):
        source = REPOSITORY / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)


def git(*arguments: str) -> str:
    """What a git command in the repository prints."""
    return subprocess.run(
        ["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def main() -> None:
    """Build for every release, two at a time."""
    version = upstream_version()
    wheels()
    print(f"deb: building {version} for Debian {' and '.join(RELEASES)}", file=sys.stderr, flush=True)
    with ThreadPoolExecutor() as pool:
        for built in pool.map(lambda release: build(release, version, REPOSITORY / "dist"), RELEASES):
            print(built.relative_to(REPOSITORY))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"deb: {error}")
