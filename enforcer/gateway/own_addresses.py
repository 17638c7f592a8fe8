"""The addresses of this machine itself, in the network namespace it runs in."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_HOST = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
_NET = Path("/proc/net")


def own_addresses() -> set[bytes]:
    """Every unicast address, 4 or 16 bytes in network order, but loopback and link-local ones.

    From ``fib_trie`` (the kernel's routing table ``local``) and ``if_inet6`` (proc_net(5)).
    """
    found: set[IPv4Address | IPv6Address] = {IPv4Address(text) for text in _HOST.findall(_read("fib_trie"))}
    found.update(IPv6Address(bytes.fromhex(line[:32])) for line in _read("if_inet6").splitlines())
    return {address.packed for address in found if not address.is_loopback and not address.is_link_local}


def _read(name: str) -> str:
    try:
        return (_NET / name).read_text("ascii")
    except OSError:
        return ""  # A kernel without that IP version.
