"""What a million registrations cost: ``python -m tests.bench.registry [COUNT]``, as root for the kernel's part.

The processor's seconds, so that others at work on the machine do not count, in an environment as the daemon's,
where memory forgets; lookups by the clock. The kernel's sets are in a network namespace of their own.
"""

from __future__ import annotations

import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from enforcer.gateway import forgetting
from enforcer.gateway.sets import KernelSets
from enforcer.registry.load import load
from enforcer.registry.lookup import Registry
from enforcer.registry.memory import remember
from enforcer.registry.memory_file import restore, save
from enforcer.registry.standing import Difference, listed
from enforcer.subscribers.number import Tagger
from tests.bench.lists import write
from tests.bench.results import Results

Made = TypeVar("Made")

ONE_MORE = ip_network("203.0.113.1")
GRACE = 30 * 86400.0
SAMPLE = 100_000
TAGGER = Tagger(bytes(range(32)))
TIMEZONE = ZoneInfo("Asia/Karachi")


def resident() -> float:
    """Mebibytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def timed(work: Callable[[], Made]) -> tuple[Made, float]:
    """What work makes, and the processor's seconds it took."""
    begin = time.process_time()
    made = work()
    return made, time.process_time() - begin


def lookups(registry: Registry, count: int, results: Results) -> None:
    """Single lookups, each timed by itself: of who is on the list, and of who is not."""
    source = random.Random(2)
    entries = [registry.registrations[row] for row in source.sample(range(count), min(SAMPLE, count))]
    addresses = [entry.network.network_address.packed for entry in entries if entry.network is not None]
    tags = [entry.tag for entry in entries if entry.tag is not None]
    asked: dict[str, tuple[Callable[[bytes], object], list[bytes]]] = {
        "address on the list": (registry.match_address, addresses),
        "address not on it": (registry.match_address, [source.randbytes(4) for _ in addresses]),
        "tag on the list": (registry.match_tag, tags),
        "tag not on it": (registry.match_tag, [source.randbytes(16) for _ in tags]),
    }
    for what, (ask, keys) in asked.items():
        taken: list[int] = []
        for key in keys:
            begin = time.perf_counter_ns()
            ask(key)
            taken.append(time.perf_counter_ns() - begin)
        taken.sort()
        results.add(f"lookup, {what}, p50", taken[len(taken) // 2] / 1e3, "µs")
        results.add(f"lookup, {what}, p99", taken[len(taken) * 99 // 100] / 1e3, "µs", 2.0)


def kernel(registry: Registry, now: float, results: Results) -> None:
    """The whole of the kernel's sets, and one address more."""
    sets = KernelSets()
    networks = listed(registry, now, GRACE).networks
    text, seconds = timed(lambda: sets.replace("registered", networks))
    namespace = f"enforcer-bench-{os.getpid()}"
    nft = ["ip", "netns", "exec", namespace, "nft", "-f", "-"]
    names = sorted(set(re.findall(r"element inet enforcer (\w+)", text)))
    table = "".join(
        f"set {name} {{ type {'ipv4_addr' if '4' in name.partition('_')[0] else 'ipv6_addr'};"
        f"{' flags interval;' if name.endswith('_prefixes') else ''} }}\n"
        for name in names
    )
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        subprocess.run(nft, input=f"table inet enforcer {{\n{table}}}\n", text=True, check=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(nft, input=text, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        loading = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        results.add(f"kernel's sets, {len(networks):,} networks", seconds + loading, "s", 3.0)
        results.add("  of which in this process", seconds, "s")
        text = sets.change("registered", [ONE_MORE], ())
        subprocess.run(nft, input=text, text=True, check=True)
        last = resource.getrusage(resource.RUSAGE_CHILDREN)
        one = last.ru_utime + last.ru_stime - after.ru_utime - after.ru_stime
        results.add("one address more in the kernel", one, "s")
    finally:
        subprocess.run(["ip", "netns", "delete", namespace], check=True)


def measure(count: int, results: Results) -> None:
    """Measure everything."""
    now = time.time()
    with tempfile.TemporaryDirectory() as folder:
        path, memory = Path(folder) / "list.csv", Path(folder) / "registry.npz"
        write(path, 3)
        load([path], "PK", TIMEZONE, TAGGER, False)
        write(path, count)
        changed = Path(folder) / "changed.csv"
        write(changed, count, count // 2)
        before = resident()
        first, seconds = timed(lambda: load([path], "PK", TIMEZONE, TAGGER, False))
        results.add("load", seconds, "s", 5.0)
        registry, indexing = timed(lambda: Registry(first.registrations, now))
        results.add("index", indexing, "s")
        follows, seconds = timed(lambda: listed(registry, now, GRACE))
        results.add("what follows from it", seconds, "s")
        results.add("resident", resident() - before, "MiB", 300.0)
        results.add("count by standing", timed(lambda: registry.census(now, GRACE))[1], "s")
        results.add("memory written", timed(lambda: save(memory, registry.registrations))[1], "s")
        results.add("its size", memory.stat().st_size / 2**20, "MiB")
        results.add("memory read", timed(lambda: restore(memory, now))[1], "s")
        del follows
        changed.replace(path)
        total = 0.0
        second, seconds = timed(lambda: load([path], "PK", TIMEZONE, TAGGER, False, first.known))
        results.add("one row changed: load", seconds, "s")
        total += seconds
        kept, seconds = timed(lambda: remember(registry.registrations, second.registrations, now, GRACE))
        results.add("one row changed: what vanished", seconds, "s")
        total += seconds
        after, seconds = timed(lambda: Registry(kept, now))
        total += seconds
        _, seconds = timed(lambda: Difference(registry, after).changes(now, GRACE))
        results.add("one row changed: what it changes", seconds, "s")
        total += seconds + timed(lambda: listed(after, now, GRACE))[1]
        results.add("one row changed, all of it", total, "s", 1.0)
        lookups(registry, count, results)
        kernel(registry, now, results)


def main() -> None:
    """Print what was measured, and keep it."""
    forgetting.ensure()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    results = Results("registry")
    measure(count, results)
    results.show(f"{count:,} registrations, the processor's time")


if __name__ == "__main__":
    main()
