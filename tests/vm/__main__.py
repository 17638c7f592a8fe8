"""`python -m tests.vm [RELEASE...] [-- PYTEST ARGUMENTS]`: live tests on Debian's stock kernels, without KVM."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.vm.kernels import RELEASES, KernelError, kernel

KERNELS_OWN = (
    "tests/vm/test_stock_kernel.py",
    "tests/unit/fingerprints/test_sieve_kernel.py::test_every_expression_loads",
)
"""What only such a kernel can show; `make vm` runs these on every release."""

LIMIT = 1500
"""Seconds after which a virtual machine is taken to hang."""

_MEMORY = "3G"
_DONE = "vm: pytest ended with"


def main() -> int:
    """Run the tests on each kernel; the exit code is 0 when all passed on all."""
    arguments = _arguments()
    failed = []
    for release in arguments.releases or RELEASES:
        try:
            if not _passes(release, arguments.tests or list(KERNELS_OWN)):
                failed.append(release)
        except KernelError as error:
            print(f"vm: {error}", file=sys.stderr)
            failed.append(release)
    if failed:
        print(f"vm: failed on {', '.join(RELEASES[release] for release in failed)}", file=sys.stderr)
    return 1 if failed else 0


def _passes(release: str, tests: list[str]) -> bool:
    image = kernel(release)
    print(f"vm: {RELEASES[release]}, {image.name.removeprefix('vmlinuz-')}", flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="enforcer-vm-") as folder:
        script = Path(folder, "run.sh")
        script.write_text(_SCRIPT.format(directory=shlex.quote(str(Path.cwd())), tests=shlex.join(tests)))
        command = [
            *(str(Path(sys.executable).with_name("vng")), "--disable-kvm", "--force-9p", "--run", str(image)),
            *("--user", "root", "--memory", _MEMORY, "--cpus", "2", "--rodir", folder),
            *("--", "sh", str(script)),
        ]
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        machine = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment,
        )  # fmt: skip
        code = _follow(machine, begun)
    print(f"vm: {RELEASES[release]} took {time.monotonic() - begun:.0f} s", flush=True)
    return code == 0


def _follow(machine: subprocess.Popen[str], begun: float) -> int | None:
    code = None
    assert machine.stdout is not None
    try:
        for line in machine.stdout:
            found = re.match(rf"{_DONE} (\d+)", line)
            if found is None:
                print(line, end="", flush=True)
            else:
                code = int(found[1])
            if time.monotonic() - begun > LIMIT:
                print(f"vm: not done after {LIMIT} s, given up", file=sys.stderr)
                return None
        return code
    finally:
        machine.kill()
        machine.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=f"of {', '.join(RELEASES)}; all when none")
    parser.add_argument("--tests", nargs="+", default=[], help="what pytest runs; the kernel's own when none")
    return parser.parse_args()


# The root file system is this machine's, read-only; /tmp and /run are the virtual machine's own.
_SCRIPT = """
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis LAB_PATIENCE=8
for module in tun wireguard esp4 esp6 nft_queue nf_conntrack; do modprobe $module || exit 1; done
cd {directory}
.venv/bin/python -m pytest -p no:cacheprovider -q --durations=8 {tests}
echo "vm: pytest ended with $?"
"""

if __name__ == "__main__":
    sys.exit(main())
