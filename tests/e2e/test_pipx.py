"""docs/install.md without the package: a source distribution, a wheel made from it, and pipx."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.lab.pages import Page

EXAMPLES = {"enforcer.example.yaml", "registry.example.csv", "registry.example.yaml", "sessions.example.csv"}


@pytest.fixture(scope="module")
def clone(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shallow clone, without tags: what many have before them."""
    folder = tmp_path_factory.mktemp("clone") / "enforcer"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{repository}", folder], check=True)
    return folder


def test_a_wheel_made_from_the_source_distribution_is_whole(clone: Path, tmp_path: Path) -> None:
    subprocess.run([program("uv"), "build", "--quiet", "--out-dir", tmp_path, clone], check=True)
    (source,) = tmp_path.glob("*.tar.gz")
    (wheel,) = tmp_path.glob("*.whl")
    with tarfile.open(source) as packed:
        top = source.name.removesuffix(".tar.gz")
        sources = {name.removeprefix(f"{top}/") for name in packed.getnames()}
    assert {"LICENSE", "config/enforcer.example.yaml", "debian/control"} <= sources
    with zipfile.ZipFile(wheel) as unpacked:
        names = unpacked.namelist()
    tracked = subprocess.check_output(["git", "ls-files", "enforcer"], cwd=clone, text=True).split()
    assert set(tracked) <= set(names)
    assert {name.rpartition("/")[2] for name in names if "/share/doc/enforcer/examples/" in name} == EXAMPLES


def test_pipx_installs_the_command_and_the_examples(clone: Path, page: Page, tmp_path: Path) -> None:
    install, examples, _ = page.commands("Without the package")
    environment = {
        **os.environ,
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "PATH": f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    printed = [
        subprocess.run(
            ["bash", "-euc", block], cwd=clone, env=environment, capture_output=True, text=True, check=True
        ).stdout
        for block in (install, examples)
    ]
    assert "enforcer 0.0.post1+g" in printed[0]
    assert set(printed[1].split()) == EXAMPLES


@pytest.fixture(scope="module")
def page(repository: Path) -> Page:
    return Page((repository / "docs" / "install.md").read_text())


def program(name: str) -> Path:
    """A program of the tests' environment."""
    return Path(sys.executable).with_name(name)
