"""Replay measured on a large mixed capture, beside other tools on the same file and question.

``python -m tests.bench.replay [PACKETS]``, as root for its own setup of tshark, ndpiReader and nfstream. The
question: which flows are WireGuard, OpenVPN or IPsec? Every tool runs by itself, on one core. Prints a table and
writes build/bench/replay.json. Exit code 1 when replay's answers are not those of the engine that sees every
packet, or when it is slower than TARGET.
"""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.mixture import Mixture, make

TARGET = 2_000_000
"""Packets a second of one core's time, its start apart."""
ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "build" / "bench"
VENV = OUTPUT / "venv"
CORE = min(os.sched_getaffinity(0))

FAMILIES = ("wireguard", "openvpn", "ipsec")

Found = set[tuple[str, str]]
"""Each an address of a flow and the family it is said to be of."""

_NAMES = {
    "wg": "wireguard", "wireguard": "wireguard", "openvpn": "openvpn", "ipsec": "ipsec", "isakmp": "ipsec",
    "esp": "ipsec", "ah": "ipsec",
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One tool's run: seconds of processor and of the clock, memory in MiB, and what it found of what is there."""

    tool: str
    processor: float
    clock: float
    packets_a_second: int
    memory: int
    wireguard: int
    openvpn: int
    ipsec: int
    false: int


def enforcer(output: str) -> Found:
    rows = [json.loads(line) for line in output.splitlines()]
    return {(_host(row[end]), row["family"]) for row in rows for end in ("client", "server")}


def tshark(output: str) -> Found:
    found = set()
    for line in output.splitlines():
        *addresses, protocols = line.split("\t")
        family = next((_NAMES[name] for name in protocols.split(":") if name in _NAMES), "")
        found |= {(address, family) for address in addresses if address and family}
    return found


def table(output: str) -> Found:
    """The flows of ndpiReader and nfstream, a CSV row each."""
    found = set()
    for row in csv.DictReader(io.StringIO(output)):
        name = row.get("ndpi_proto") or row.get("application_name") or ""
        families = [_NAMES[part.lower()] for part in name.split(".") if part.lower() in _NAMES]
        if families:
            ends = (row.get("src_ip"), row.get("dst_ip"))
            found |= {(address, families[-1]) for address in ends if address}
    return found


_NFSTREAM = """
import sys, nfstream
print("src_ip,dst_ip,application_name")
for flow in nfstream.NFStreamer(sys.argv[1], n_meters=1, statistical_analysis=False):
    print(flow.src_ip, flow.dst_ip, flow.application_name, sep=",")
"""

_ONE_AT_A_TIME = """
import json, sys
from pathlib import Path
from tests.unit.bulk.reference import packet_at_a_time
for report in packet_at_a_time(Path(sys.argv[1])).reports:
    print(json.dumps(report.as_object(sys.argv[1])))
"""


_FILTER = "wg or openvpn or isakmp or esp or ah"


def tools(path: Path) -> list[tuple[str, list[str], Callable[[str], Found]]]:
    """Every tool's name, command line, and how to read what it prints."""
    file = str(path)
    python = sys.executable
    fields = [
        word for name in ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "frame.protocols") for word in ("-e", name)
    ]
    return [
        ("enforcer replay", replay_of(path), enforcer),
        ("every packet through the engine", [python, "-c", _ONE_AT_A_TIME, file], enforcer),
        ("ndpiReader", ["ndpiReader", "-q", "-i", file, "-C", f"{path}.csv"], table),
        ("nfstream", [str(VENV / "bin" / "python"), "-c", _NFSTREAM, file], table),
        ("tshark", ["tshark", "-n", "-r", file, "-Y", _FILTER, "-T", "fields", *fields], tshark),
    ]  # fmt: skip


def replay_of(path: Path) -> list[str]:
    """The command line of replay."""
    return [str(Path(sys.executable).parent / "enforcer"), "replay", "--format", "jsonl", str(path)]


def starting(folder: Path) -> float:
    """Seconds of processor that replay takes for a capture without packets."""
    empty = folder / "empty.pcap"
    empty.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["taskset", "-c", str(CORE), *replay_of(empty)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(name: str, command: list[str], read: Callable[[str], Found], mixture: Mixture) -> tuple[Result, str]:
    """Run a tool on one core and hold its answers against what is in the capture."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.monotonic()
        process = subprocess.Popen(["taskset", "-c", str(CORE), *command], stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        clock = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{name} ended with {process.returncode}: {errors.read()}")
        output.seek(0)
        text = output.read()
    table_ = Path(f"{mixture.path}.csv")
    if table_.exists():
        text = table_.read_text(errors="replace")
        table_.unlink()
    found = read(text)
    there = set(mixture.tunnels.items())
    counts = {
        family: sum(one[1] == family for one in found & there) // 2 for family in ("wireguard", "openvpn", "ipsec")
    }
    processor = usage.ru_utime + usage.ru_stime
    result = Result(
        name, round(processor, 2), round(clock, 2), int(mixture.packets / processor), usage.ru_maxrss // 1024,
        counts["wireguard"], counts["openvpn"], counts["ipsec"], len({one[0] for one in found - there}) // 2,
    )  # fmt: skip
    return result, text


def setup() -> None:
    """Install what is compared with: Debian packages by packages.txt, nfstream in an environment of its own."""
    lines = (Path(__file__).parent / "packages.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    if subprocess.run(["dpkg", "-s", *packages], capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], check=True)
    if not (VENV / "bin" / "nfstream.installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(VENV / "bin" / "pip"), "install", "-q", "nfstream"], check=True)
        (VENV / "bin" / "nfstream.installed").touch()


def main(packets: int) -> int:
    """Measure and print; the exit code."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    setup()
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: what this one has in memory counts as every child's peak.
        with ProcessPoolExecutor(1) as maker:
            mixture = maker.submit(make, Path(folder) / "mixture.pcap", packets).result()
        size = mixture.path.stat().st_size
        there = {family: sum(one == family for one in mixture.tunnels.values()) // 2 for family in FAMILIES}
        print(f"{mixture.packets} packets of {size // mixture.packets} bytes on average, tunnels: {there}")
        print(
            f"{'':32} {'packets/s':>10} {'ratio':>6} {'clock s':>8} {'MiB':>6} "
            f"{'wg':>5} {'ovpn':>5} {'ipsec':>5} false"
        )
        start = starting(Path(folder))
        results: list[Result] = []
        answers: dict[str, str] = {}
        for name, command, read in tools(mixture.path):
            result, answers[name] = run(name, command, read, mixture)
            results.append(result)
            ratio = results[0].packets_a_second / result.packets_a_second
            print(
                f"{name:32} {result.packets_a_second:>10} {ratio:>6.1f} {result.clock:>8.1f} {result.memory:>6} "
                f"{result.wireguard:>5} {result.openvpn:>5} {result.ipsec:>5} {result.false:>5}",
                flush=True,
            )
    steady = int(mixture.packets / (results[0].processor - start))
    document = {
        "start": round(start, 2), "packets_a_second_after_start": steady,
        "packets": mixture.packets, "bytes": size, "tunnels": there, "results": [asdict(one) for one in results],
    }  # fmt: skip
    (OUTPUT / "replay.json").write_text(json.dumps(document, indent=2) + "\n")
    same = answers["enforcer replay"] == answers["every packet through the engine"]
    fast = steady >= TARGET
    print(f"replay's start takes {start:.2f} s of its processor's time; after it, {steady} packets a second")
    print(f"same answers as the engine that sees every packet: {'yes' if same else 'NO'}")
    print(f"{TARGET} packets a second of one core: {'reached' if fast else 'MISSED'}")
    return 0 if same and fast else 1


def _host(endpoint: str) -> str:
    return endpoint.rpartition(":")[0].strip("[]")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000_000))
