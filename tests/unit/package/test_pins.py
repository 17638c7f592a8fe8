"""What the Debian package bundles is what pyproject.toml asks for, pinned; its versions sort as Python's do."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.lab.deb import PYTHON, changelog, debian

LEFT_OUT = ("lxml", "netaddr")
"""Dependencies of dependencies that the pins leave out (make lock)."""


@pytest.fixture(scope="module")
def lock(repository: Path) -> str:
    return (repository / "debian" / "requirements.lock").read_text()


def pinned(lock: str, python: str) -> dict[str, Version]:
    """The pins that hold for a Python."""
    environment = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    return {
        canonicalize_name(name): Version(version)
        for name, version, marker in re.findall(r"^(\S+)==(\S+)(?: ; (.*?))? \\$", lock, re.MULTILINE)
        if not marker or Marker(marker).evaluate(environment)
    }


@pytest.mark.parametrize("python", PYTHON.values())
def test_the_pins_are_what_the_project_asks_for(repository: Path, lock: str, python: str) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    pins = pinned(lock, python)
    for text in project["dependencies"]:
        asked = Requirement(text)
        assert canonicalize_name(asked.name) in pins, f"{asked.name} is not pinned: make lock"
        assert pins[canonicalize_name(asked.name)] in asked.specifier, f"{asked}: make lock"


def test_every_pin_has_hashes_and_names_no_other_source(lock: str) -> None:
    assert all(re.match(r"\s+--hash=sha256:[0-9a-f]{64}", rest) for rest in re.findall(r"==.* \\\n(.*)", lock))
    assert "://" not in lock


def test_what_the_pins_leave_out_is_not_needed(lock: str) -> None:
    assert not set(LEFT_OUT) & set(pinned(lock, sys.version.split()[0]))
    program = f"""
import importlib, pkgutil, sys
for name in {LEFT_OUT!r}:
    sys.modules[name] = None
import enforcer, pyrad.client, pyrad.server, mcc_mnc_lut
for module in pkgutil.walk_packages(enforcer.__path__, "enforcer."):
    importlib.import_module(module.name)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_versions_sort_in_debian_as_in_python() -> None:
    rising = ["0.0.post9+gabe8a8bcc", "0.9.0", "1.0.0rc1", "1.0.0rc2", "1.0.0", "1.0.0.post2+g1a2b3", "1.0.1"]
    for lower, higher in pairwise(rising):
        assert Version(lower) < Version(higher)
        done = subprocess.run(["dpkg", "--compare-versions", debian(lower), "lt", debian(higher)], check=False)
        assert done.returncode == 0, (lower, higher)
    assert debian(rising[0]) == rising[0]


def test_the_changelog_is_debians() -> None:
    top, *lines, _, signed = changelog("1.0.0~deb12", "12", 1_790_000_000).splitlines()
    assert top == "enforcer (1.0.0~deb12) bookworm; urgency=medium"
    assert re.fullmatch(r" -- .+ <.+@.+>  Mon, 21 Sep 2026 \d\d:\d\d:\d\d \+0000", signed)
    assert sum(line.startswith("  * ") for line in lines) > 5
    assert all(len(line) < 80 for line in lines)
