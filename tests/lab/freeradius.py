"""An operator's FreeRADIUS with the copy of config/freeradius to gateways, in a folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.lab.network import Node
from tests.lab.processes import Process

COPIES = Path(__file__).resolve().parents[2] / "config" / "freeradius"
SECRET = b"the secret that the gateway has for this server"
"""As in the example's file."""
OPERATOR_SECRET = b"between NAS and operator"
_PROGRAM = "/usr/sbin/freeradius"

_RADIUSD = """
prefix = /usr
libdir = /usr/lib/freeradius
confdir = {folder}
modconfdir = ${{confdir}}/mods-config
logdir = {folder}
run_dir = {folder}
max_request_time = 5
cleanup_delay = 1
max_requests = 16384
hostname_lookups = no
log {{ destination = stdout }}
security {{
	max_attributes = 200
	status_server = no
}}
proxy_requests = yes
client localhost {{
	ipaddr = 127.0.0.1
	secret = "{secret}"
}}
thread pool {{
	start_servers = 2
	max_servers = 8
	min_spare_servers = 1
	max_spare_servers = 4
}}
modules {{
	preprocess {{ }}
	always ok {{ rcode = ok }}
	always noop {{ rcode = noop }}
	detail operator {{
		filename = {folder}/operator
	}}
	$INCLUDE ${{confdir}}/mods-enabled/
}}
policy {{
	$INCLUDE ${{confdir}}/policy.d/
}}
server operator {{
	listen {{
		type = acct
		ipaddr = 127.0.0.1
		port = {port}
	}}
	preacct {{
		preprocess
	}}
	accounting {{
		operator
		enforcer_copy
	}}
}}
$INCLUDE ${{confdir}}/sites-enabled/
"""


class FreeRadius:
    """Configured for gateways at ports of the loopback interface; ``start`` runs it in the foreground.

    With ``queue_bytes`` the queues are on a file system of that size, which only this process sees.
    """

    def __init__(self, folder: Path, port: int, gateways: Sequence[int], queue_bytes: int | None = None) -> None:
        self.port = port
        self.folder = folder
        self.spool = folder / "spool"
        self._queue_bytes = queue_bytes
        for name in ("mods-enabled", "sites-enabled", "policy.d", "mods-config"):
            (folder / name).mkdir()
        (folder / "mods-config/preprocess").mkdir()
        text = _RADIUSD.format(folder=folder, port=port, secret=OPERATOR_SECRET.decode())
        (folder / "radiusd.conf").write_text(text)
        shutil.copytree(COPIES / "mods-config/attr_filter", folder / "mods-config/attr_filter")
        for empty in ("huntgroups", "hints"):
            (folder / "mods-config/preprocess" / empty).touch()
        calls = ""
        for number, gateway in enumerate(gateways, 1):
            name = f"gw{number}"
            (self.spool / name).mkdir(parents=True)
            for kind in ("mods", "sites"):
                text = (COPIES / f"{kind}-available/enforcer_gw1").read_text().replace("gw1", name)
                text = text.replace("192.0.2.1\n\tport = 1813", f"127.0.0.1\n\tport = {gateway}")
                text = text.replace("/var/spool/enforcer", str(self.spool))
                (folder / f"{kind}-enabled/enforcer_{name}").write_text(text)
            if number > 1:
                calls += f"\tenforcer_{name} {{\n\t\tok = 1\n\t\tfail = 1\n\t}}\n"
        policy = (COPIES / "policy.d/enforcer").read_text()
        (folder / "policy.d/enforcer").write_text(policy.replace("\tnoop {\n", calls + "\tnoop {\n"))

    def start(self, node: Node | None = None) -> Process:
        """Run it, in a lab's namespace if one is given. Raises LabError, with its log, when it does not start."""
        command = [_PROGRAM, "-f", "-l", "stdout", "-d", str(self.folder), "-n", "radiusd"]
        if self._queue_bytes is not None:
            folders = " ".join(str(folder) for folder in self.spool.iterdir())
            script = (
                f"mount -t tmpfs -o size={self._queue_bytes} none {self.spool} && mkdir {folders} && exec $0 $@"
            )
            command = ["unshare", "--mount", "sh", "-c", script, *command]
        if node is not None:
            command = node.command(command)
        process = Process(command, self.folder / "log")
        process.require("Ready to process requests", 10)
        return process

    def recorded(self) -> int:
        """How many messages the operator's own accounting has."""
        path = self.folder / "operator"
        return path.read_text().count("Acct-Status-Type") if path.exists() else 0
