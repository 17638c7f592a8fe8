"""The checkout as a service of a machine: installed as the package does it, run by the unit as shipped."""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

from tests.lab.gateway import Gateway, Setup, resolver
from tests.lab.machine import Machine
from tests.lab.network import Lab
from tests.lab.roots import root

PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "nftables", "iptables", "libnetfilter-queue1")

SECRET = "a secret between the access server and the gateway"
HELP_DESK = "helpdesk"
"""A group of the machine that may ask the daemon."""

_REPOSITORY = Path(__file__).resolve().parents[2]
_LAB = Path("/opt/lab")
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


class Service:
    """``enforcer.service`` in a machine that is the lab's gateway."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.gateway = Gateway(lab, Setup(sessions={}, extra=_places()))
        (self.gateway.folder / "radius.secret").write_text(SECRET + "\n")
        self.machine = Machine(root("12", "run a service", PACKAGES), lab.gateway, _binds())
        self.resolver = resolver(lab)

    def install(self) -> None:
        """Put the program, the unit and the user into the machine. Nothing is configured or started."""
        self._write("/usr/lib/enforcer/pyvenv.cfg", f"home = {_home()}\ninclude-system-site-packages = false\n")
        self._write(
            f"/usr/lib/enforcer/lib/{_PYTHON}/site-packages/lab.pth", f"{_LAB}/checkout\n{_LAB}/libraries\n"
        )
        self._write("/etc/ld.so.conf.d/lab.conf", f"{_LAB}/python/lib\n")
        self.machine.run(["ldconfig"])
        self.machine.path("/usr/lib/enforcer/bin").mkdir()
        self.machine.path("/usr/lib/enforcer/bin/python3").symlink_to(f"{_home()}/{_PYTHON}")
        self._write("/usr/bin/enforcer", (_REPOSITORY / "debian/launcher/enforcer").read_text(), 0o755)
        self._write(
            "/usr/lib/systemd/system/enforcer.service", (_REPOSITORY / "systemd/enforcer.service").read_text()
        )
        sysusers = (_REPOSITORY / "systemd/enforcer.sysusers").read_text()
        # A group of the operator's own, which the daemon is to let ask.
        self._write("/usr/lib/sysusers.d/enforcer.conf", sysusers + f"g {HELP_DESK}\nm enforcer {HELP_DESK}\n")
        self.machine.run(["systemd-sysusers"])
        self.machine.run(["systemctl", "daemon-reload"])

    def configure(self) -> None:
        """Write configuration, lists and secrets as the gateway's setup says now, owned as the docs say."""
        self.gateway.write()
        self.machine.run(["install", "-d", "-g", "enforcer", "-m", "750", "/etc/enforcer"])
        self.machine.run(["install", "-d", "-o", "enforcer", "-m", "700", "/var/lib/enforcer"])
        for name, owner, mode in (
            ("enforcer.yaml", "root", "640"),
            ("registry.csv", "root", "640"),
            ("key", "enforcer", "600"),
            ("radius.secret", "enforcer", "600"),
            ("exempt.json", "enforcer", "600"),
        ):
            folder = "/var/lib/enforcer" if name == "exempt.json" else "/etc/enforcer"
            target = f"{folder}/{name}"
            if name != "exempt.json" or not self.machine.path(target).exists():
                self._write(target, (self.gateway.folder / name).read_bytes())
                self.machine.run(["chown", f"{owner}:enforcer", target])
                self.machine.run(["chmod", mode, target])

    def systemctl(self, *arguments: str, timeout: float = 60.0) -> tuple[int, str]:
        """Exit code and output of systemctl."""
        done = self.machine.run(["systemctl", "--no-pager", *arguments], timeout, check=False)
        return done.returncode, done.stdout

    def property(self, name: str) -> str:
        """A property of the service, as systemctl show(1) prints it."""
        return self.machine.run(["systemctl", "show", "--value", f"--property={name}", "enforcer"]).stdout.strip()

    def status(self, pid: str | int) -> dict[str, str]:
        """/proc/PID/status of a process of the machine, by the process id in it."""
        text = self.machine.run(["cat", f"/proc/{pid}/status"]).stdout
        return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))

    def children(self) -> list[str]:
        """Process ids of the daemon's children."""
        pid = self.property("MainPID")
        return self.machine.run(["cat", f"/proc/{pid}/task/{pid}/children"]).stdout.split()

    def account(self, attributes: str) -> str:
        """Send accounting with radclient; what it printed."""
        arguments = ["radclient", "-x", "-r", "1", "-t", "2", "127.0.0.1:1813", "acct", SECRET]
        return self.lab.gateway.run(arguments, check=False, text=attributes).stdout

    def _write(self, inside: str, content: str | bytes, mode: int = 0o644) -> None:
        path = self.machine.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)


def _home() -> str:
    """Where the machine finds the interpreter: Debian's own, or one of ours that is bound in."""
    return "/usr/bin" if sys.base_prefix == "/usr" else f"{_LAB}/python/bin"


def _binds() -> dict[Path, Path]:
    binds = {
        _REPOSITORY / "enforcer": _LAB / "checkout" / "enforcer",
        Path(sysconfig.get_path("platlib")): _LAB / "libraries",
    }
    if sys.base_prefix != "/usr":
        binds[Path(sys.base_prefix)] = _LAB / "python"
    return binds


def _places() -> dict[str, dict[str, object]]:
    """The settings that name files, as the commented configuration proposes them."""
    return {
        "registry": {"memory": "/var/lib/enforcer/registry.json"},
        "sessions": {"file": None, "snapshot": "/var/lib/enforcer/sessions.sqlite"},
        "radius": {"clients": [{"name": "bras", "addresses": ["127.0.0.1"], "secret_file": "radius.secret"}]},
        "exempt": {"memory": "/var/lib/enforcer/exempt.json"},
        "control": {"socket": "/run/enforcer/control.sock", "group": HELP_DESK},
        "audit": {"file": "/var/log/enforcer/audit.jsonl"},
    }
