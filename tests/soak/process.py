"""What a process holds: memory, descriptors, threads; and the kernel's nf_tables of a namespace."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from tests.lab.network import Node


class Held(NamedTuple):
    """``rss`` in KiB (VmRSS of proc(5)); ``rules`` are all nft objects of the namespace but set elements."""

    rss: int
    descriptors: int
    threads: int
    children: int
    rules: int


def held(pid: int, gateway: Node) -> Held:
    """What a daemon in the gateway's namespace holds now."""
    status = dict(re.findall(r"^(\w+):\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
    return Held(
        int(status["VmRSS"]),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        int(status["Threads"]),
        len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()),
        len(json.loads(gateway.run(["nft", "-j", "list", "ruleset"]).stdout)["nftables"]),
    )


def elements(gateway: Node, name: str) -> set[str]:
    """The elements of one of our sets of single addresses, as nft prints them."""
    listed = json.loads(gateway.run(["nft", "-j", "list", "set", "inet", "enforcer", name]).stdout)["nftables"]
    (found,) = (item["set"].get("elem", []) for item in listed if "set" in item)
    return set(found)


def slope(samples: list[tuple[float, float]]) -> float:
    """The least-squares slope of (x, y)."""
    count = len(samples)
    middle_x, middle_y = (sum(one[axis] for one in samples) / count for axis in (0, 1))
    across = sum((x - middle_x) ** 2 for x, _ in samples)
    return sum((x - middle_x) * (y - middle_y) for x, y in samples) / across if across else 0.0
