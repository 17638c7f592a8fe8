"""What must be true of this machine before anything is loaded into its kernel."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from enforcer.config import Config

_CONNTRACK = Path("/proc/sys/net/netfilter/nf_conntrack_max")


def obstacles(config: Config) -> Iterator[str]:
    """Why `run` cannot start here, one sentence each, with what to do."""
    if not may_administer_the_network():
        yield (
            "no CAP_NET_ADMIN: reading the queue and loading nft rules need it "
            "(not root? run it with sudo, or under systemd, whose unit grants it)"
        )
    for tool, package in (("nft", "nftables"), ("iptables-nft", "iptables"), ("ip6tables-nft", "iptables")):
        if shutil.which(tool) is None:
            yield f"{tool} is not installed: install it (Debian: apt install {package})"
    if config.mode == "enforce" and not _CONNTRACK.exists():
        yield (
            "no conntrack in this kernel: a handshake cut into IP fragments would not be put together before it "
            "is judged, so mode: enforce cannot keep its word (modprobe nf_conntrack, or mode: monitor)"
        )


def may_administer_the_network() -> bool:
    """Whether this process has CAP_NET_ADMIN in effect (/proc/pid/status, proc(5); number 12, capability.h)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> 12 & 1)


def warnings(config: Config) -> Iterator[str]:
    """What an operator should know before relying on this machine."""
    if config.mode == "monitor" and not _CONNTRACK.exists():
        yield "no conntrack in this kernel: handshakes cut into IP fragments are not recognised"
