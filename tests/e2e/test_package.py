"""The Debian package: built, then installed, used, upgraded and purged by the letter of docs/install.md.

Each release boots with its own systemd in the lab's gateway, so that the lab's tunnels meet the daemon as the
package runs it: its unit, its sandbox, its Python. Machines have no network: what the package needs lies in apt's
cache, fetched from Debian when the root was made.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.deb import build, build_dependencies, git, upstream_version, wheels
from tests.lab.machine import Machine
from tests.lab.network import COMPANY, Lab
from tests.lab.pages import Page
from tests.lab.roots import RELEASES, inside, root
from tests.lab.wireguard import WireGuardServer

IN_THE_MACHINE = ("systemd", "systemd-sysv", "man-db", "bash-completion")
"""A minimal Debian, and what shows manual pages and completes commands."""

NEEDED = ("python3", "nftables", "iptables", "libnetfilter-queue1", "libgcc-s1")
"""What the package depends on or recommends."""

BACKUPS = {"/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-"}
"""What systemd-sysusers writes before it adds a user."""

REMEMBERED = "/var/lib/enforcer/remembered"

UP = 10.0

EDITOR = f"""\
#!/bin/sh
set -e
case "$1" in
*/registry.csv) echo 'C-1,company,{COMPANY.ip4.ip},,2026-01-01,,,,,,,,' >>"$1" ;;
*/enforcer.yaml) sed -i -e 's/interfaces: .ppp.*/interfaces: ["sub-*"]/' -e 's/^  period: .*/  period: 0s/' "$1" ;;
*) exit 1 ;;
esac
"""
"""The operator at the editor: registers the lab's company, names the lab's interfaces. The example's lines are the
lab's already. And does not wait for the shadow period."""


@pytest.fixture(scope="module")
def page(repository: Path) -> Page:
    return Page((repository / "docs" / "install.md").read_text())


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package of each release, built as `make deb` does."""
    wheels()
    version = upstream_version()
    target = tmp_path_factory.mktemp("packages")

    def prepare(release: str) -> Path:
        machine_root(release)
        return build(release, version, target)

    with ThreadPoolExecutor() as pool:
        return dict(zip(RELEASES, pool.map(prepare, RELEASES), strict=True))


def machine_root(release: str) -> Path:
    return root(release, "boot", IN_THE_MACHINE, NEEDED)


class Operator:
    """Somebody with a shell in the machine and docs/install.md before them."""

    def __init__(self, machine: Machine, page: Page) -> None:
        self.machine = machine
        self.page = page

    def follow(self, heading: str) -> None:
        """Type every command under a heading."""
        for block in self.page.commands(heading):
            self.type(block)

    def type(self, commands: str) -> str:
        """What commands print. Raises LabError when one of them fails. Every question is answered with Enter."""
        return self.machine.run(
            ["bash", "-euo", "pipefail", "-c", f"cd /root\n{commands}"], timeout=120, text="\n" * 9
        ).stdout

    def ask(self, *arguments: str) -> str:
        """What a command prints, whatever its exit code."""
        return self.machine.run(arguments, check=False).stdout.strip()

    def files(self) -> dict[str, str]:
        """Every file and folder of the machine with its mode and owner, but for what any package manager keeps."""
        listing = self.type(
            r"find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root"
            r" -o -path /var/cache -o -path /var/log/apt -o -path /var/log/journal -o -path /var/lib/apt \)"
            r" -prune -o -printf '%p\t%y %m %U:%G\n'"
        )
        return dict(line.split("\t") for line in listing.splitlines())


@pytest.fixture(params=list(RELEASES), ids=lambda release: f"debian{release}")
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def operator(release: str, lab: Lab, page: Page) -> Iterator[Operator]:
    with Machine(machine_root(release), lab.gateway) as machine:
        editor = machine.path("/usr/local/bin/editor")
        editor.write_text(EDITOR)
        editor.chmod(0o755)
        yield Operator(machine, page)


def test_lintian_has_no_error(release: str, packages: dict[str, Path]) -> None:
    package = packages[release]
    command = inside(
        root(release, "build", build_dependencies()),
        ["lintian", "--allow-root", "--color=never", "--fail-on=error,warning", f"/packages/{package.name}"],
        [f"--bind-ro={package.parent}:/packages"],
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_life_of_an_installation(
    release: str, packages: dict[str, Path], lab: Lab, operator: Operator, tmp_path: Path
) -> None:
    package = packages[release]
    machine = operator.machine
    bring(machine, package)
    # What it needs comes from Debian, and stays when it goes.
    needed = [
        subprocess.run(["dpkg-deb", "--field", package, field], capture_output=True, text=True, check=True).stdout
        for field in ("Depends", "Recommends")
    ]
    operator.type(f"apt-get satisfy --yes '{', '.join(map(str.strip, needed))}'")
    before = operator.files()
    operator.follow("Install the package")
    assert operator.ask("systemctl", "is-enabled", "enforcer") == "disabled"
    assert operator.ask("systemctl", "is-active", "enforcer") == "inactive"
    shows_its_version_help_manual_and_completion(operator)

    for heading in ("A key and a list", "Say where subscribers are", "Start"):
        operator.follow(heading)
    runs_as_its_unit_says(operator)
    wireguard = WireGuardServer(lab.internet, lab.next_port())
    with wireguard.client(lab.subscriber("stranger")) as watched:
        assert watched.is_up(UP), "refused in mode monitor"

    operator.follow("Enforce")
    judges(lab, wireguard)

    operator.type(f"head -c 32 /dev/urandom > {REMEMBERED}")
    kept = state(operator)
    newer = next_version(package, tmp_path)
    with wireguard.client(lab.subscriber("company")) as running, ThreadPoolExecutor() as pool:
        assert running.is_up(UP)
        pings = pool.submit(running.ping, 40)
        machine.path(f"/root/{package.name}").unlink()
        bring(machine, newer)
        operator.follow("Upgrade")
        assert pings.result().complete, "the upgrade interrupted a tunnel"
    assert operator.ask("enforcer", "--version") == f"enforcer {upstream_version()}.next"
    assert state(operator) == kept
    runs_as_its_unit_says(operator)
    judges(lab, wireguard)
    wireguard.stop()

    remove, purge = operator.page.commands("Remove")
    operator.type(remove)
    assert state(operator) == kept
    assert operator.ask("systemctl", "is-active", "enforcer") == "inactive"
    assert "enforcer" not in operator.ask("nft", "list", "ruleset")
    operator.type(purge)
    after = operator.files()
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} <= BACKUPS
    assert operator.ask("id", "--user", "--name", "enforcer") == "enforcer"


def bring(machine: Machine, package: Path) -> None:
    """Copy a package to where the operator is."""
    machine.path(f"/root/{package.name}").write_bytes(package.read_bytes())


def next_version(package: Path, folder: Path) -> Path:
    """The same package as a later version, in which `enforcer --version` and the configuration file differ."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^(Version: .*?)(~deb\d+)$", r"\1.next\2", control.read_text(), flags=re.MULTILINE))
    (metadata,) = tree.glob("usr/lib/enforcer/lib/python3*/site-packages/enforcer-*.dist-info/METADATA")
    metadata.write_text(re.sub(r"^(Version: .*)$", r"\1.next", metadata.read_text(), count=1, flags=re.MULTILINE))
    with (tree / "etc" / "enforcer" / "enforcer.yaml").open("a") as configuration:
        configuration.write("\n# New in this version.\n")
    newer = folder / package.name.replace("~deb", ".next~deb")
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "--build", tree, newer], check=True, capture_output=True)
    return newer


def shows_its_version_help_manual_and_completion(operator: Operator) -> None:
    assert operator.ask("enforcer", "--version") == f"enforcer {upstream_version()}"
    help_text = operator.type("enforcer --help")
    commands = re.findall(r"^  (\w+)  ", help_text.partition("Commands:")[2], re.MULTILINE)
    assert {"run", "check", "explain"} <= set(commands)
    pages = ["enforcer.yaml", "enforcer", *(f"enforcer-{command}" for command in commands)]
    for name in pages:
        assert name in operator.type(f"MANWIDTH=100 man {name}")
        assert operator.type(f"man --warnings {name} 2>&1 >/dev/null") == ""
    # The accounting listener, as the daemon starts it.
    operator.type("/usr/lib/enforcer/bin/python3 -P -c 'import enforcer.subscribers.radius.__main__'")
    installed = operator.type("dpkg --listfiles enforcer")
    for file in git("ls-files", "enforcer").split():
        assert f"/site-packages/{file}\n" in installed
    completed = operator.type(
        "source /usr/share/bash-completion/completions/enforcer\n"
        'COMP_WORDS=(enforcer ex) COMP_CWORD=1\n_enforcer_completion enforcer ex\necho "${COMPREPLY[*]}"'
    )
    assert completed.strip() == "explain"


def runs_as_its_unit_says(operator: Operator) -> None:
    assert operator.ask("systemctl", "is-enabled", "enforcer") == "enabled"
    assert operator.ask("systemctl", "is-active", "enforcer") == "active", operator.machine.journal("enforcer")
    pid = operator.ask("systemctl", "show", "--property=MainPID", "--value", "enforcer")
    status = dict(re.findall(r"^(\w+):\s*(.*)$", operator.type(f"cat /proc/{pid}/status"), re.MULTILINE))
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == 1 << 12, "CAP_NET_ADMIN alone (linux/capability.h)"
    assert operator.ask("stat", "--format=%U", f"/proc/{pid}") == "enforcer"


def judges(lab: Lab, wireguard: WireGuardServer) -> None:
    with wireguard.client(lab.subscriber("company")) as registered:
        assert registered.is_up(UP), registered.client_log()[-2000:]
        assert registered.ping(3).complete
    with wireguard.client(lab.subscriber("stranger")) as stranger:
        assert not stranger.is_up(3.0)
        assert stranger.icmp_prohibited()


def state(operator: Operator) -> dict[str, str]:
    """Digests of what the operator wrote, and of what stands for all that the daemon remembers."""
    files = " ".join(f"/etc/enforcer/{name}" for name in ("enforcer.yaml", "registry.csv", "number.key"))
    listing = operator.type(f"test -s /var/lib/enforcer/registry.json\nsha256sum {files} {REMEMBERED}")
    return {path: digest for digest, path in (line.split() for line in listing.splitlines())}
