"""The nft table as text: what `run` loads and `ruleset` prints. Pure: no process is started here.

Two base chains on the forward hook. The early one finds handshakes by their shapes, lets exempt and registered
ends go, rejects again what was rejected a moment ago, and queues the rest. The late one acts on the verdict's
mark. They stand at priorities 140 and 160, after the operator's own filter chains (priority 0): a verdict from
user space resumes at the next base chain, so nothing of the operator's is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network

from enforcer.config import Config
from enforcer.fingerprints.catalogue import all_shapes
from enforcer.fingerprints.detection import Family
from enforcer.fingerprints.shape import Shape
from enforcer.gateway.dispatch import dispatch
from enforcer.wire.packet import Protocol

TABLE = "inet enforcer"
EARLY_PRIORITY = 140
LATE_PRIORITY = 160

OUTCOMES = ("exempt", "registered", "rejected_again", "queued", "rejected", "answer_dropped")
"""What the kernel counts for each family's handshakes."""

SEEN = ("native_esp", "native_ah", "esp_in_udp", "wireguard_data")
"""What the kernel counts and never acts on."""

ADDRESS_SETS = ("registered4", "registered6", "exempt4", "exempt6")
INTERVAL_SETS = tuple(f"{name}_prefixes" for name in ADDRESS_SETS)

SESSION_PREFIXES = (64, 60, 56, 48)
"""IPv6 prefix lengths that access servers delegate: each has a hash set, asked with the address masked, because
such prefixes come and go with every session, and adding one to an interval set takes seconds."""

MASKED_SETS = {length: f"registered6_{length}" for length in SESSION_PREFIXES}


class Backend(StrEnum):
    """How packets get to user space."""

    NATIVE = "native"
    """nft's own queue statement."""
    PAIRED = "paired"
    """A mark set by nft, queued by an iptables rule, where the kernel lacks nft_queue."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Our bits of the packet mark, the lowest three of the configured mask."""

    mask: int
    candidate: int
    reject: int
    drop_answer: int


def marks(mark_mask: int) -> Marks:
    """The three bits in use under a mask."""
    low = mark_mask & -mark_mask
    return Marks(low * 0b111, low, low << 1, low << 2)


def table(config: Config, backend: Backend) -> str:
    """The whole table, empty sets included, as one nft transaction that replaces any earlier one."""
    lines = [f"table {TABLE} {{", *_indent(_body(config, backend)), "}"]
    return "\n".join([f"add table {TABLE}", f"delete table {TABLE}", *lines]) + "\n"


def removal() -> str:
    """The transaction that removes the table, whether or not it is there."""
    return f"add table {TABLE}\ndelete table {TABLE}\n"


def quieting() -> str:
    """The transaction after which our table queues nothing any more; its hooks stay.

    Taking away a hook drops every packet that waits in any queue (nf_queue_nf_hook_drop in
    net/netfilter/nf_queue.c): what was queued gets its verdict before that.
    """
    return f"flush chain {TABLE} early\n"


COUNTED = f"chain {TABLE} late {{ policy accept; }}\n"
"""A statement that changes nothing, of a table that is loaded, and makes any others beside it one transaction that
the kernel counts: it does not count one of which nothing is left to do (nf_tables_commit in
net/netfilter/nf_tables_api.c)."""


def queue_range(config: Config) -> str:
    """The queues' numbers: one, or first-last."""
    first, count = config.gateway.queue, config.gateway.queues
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def set_for(kind: str, network: IPv4Network | IPv6Network) -> str:
    """The set of ``kind`` (registered or exempt) a network belongs in."""
    if network.prefixlen == network.max_prefixlen:
        return f"{kind}{network.version}"
    if kind == "registered" and network.version == 6 and network.prefixlen in MASKED_SETS:
        return MASKED_SETS[network.prefixlen]
    return f"{kind}{network.version}_prefixes"


def forget_rejected(config: Config) -> str:
    """The statements that empty the memory of rejected 5-tuples; none where nothing is rejected."""
    return "".join(f"flush set {TABLE} {name}\n" for family in enforcing(config) for name in _rejected(family))


def enforcing(config: Config) -> tuple[Family, ...]:
    """The families whose rejections the table carries out: none in monitor mode."""
    return tuple(family for family in Family if config.mode == "enforce" and family in config.enforce)


def _rejected(family: Family) -> tuple[str, str]:
    """The memories of a family's rejected 5-tuples, IPv4 and IPv6.

    Apart for each family: who is registered for one alone could be cut off from it by a handshake of another
    that somebody sends with their peer's address.
    """
    return f"{family}_rejected4", f"{family}_rejected6"


def _body(config: Config, backend: Backend) -> Iterator[str]:
    enforced = enforcing(config)
    for family in Family:
        for outcome in OUTCOMES:
            yield f"counter {family}_{outcome} {{ }}"
    for name in SEEN:
        yield f"counter {name} {{ }}"
    for name in ADDRESS_SETS:
        yield f"set {name} {{ type {_address_type(name)}; }}"
    for name in MASKED_SETS.values():
        yield f"set {name} {{ type ipv6_addr; }}"
    for name in INTERVAL_SETS:
        yield f"set {name} {{ type {_address_type(name)}; flags interval; }}"
    for family in enforced:
        for name in _rejected(family):
            kind = _address_type(name)
            yield (
                f"set {name} {{ type {kind} . inet_proto . inet_service . {kind} . inet_service; "
                f"flags dynamic, timeout; timeout {config.gateway.remember_rejected}s; "
                f"size {config.gateway.rejected_size}; }}"
            )
        yield from _chain(f"{family}_reject", _reject(config))
    for family in Family:
        yield from _chain(f"{family}_handshake", _candidate(config, family, backend, family in enforced))
    for protocol in (Protocol.UDP, Protocol.TCP):
        rules, chains = dispatch(protocol, _of(protocol, tuple(Family)), lambda shape: f"{shape.family}_handshake")
        for name, each in chains.items():
            yield from _chain(name, each)
        yield from _chain(f"{protocol.label}_shapes", rules)
    yield from _chain("early", _early())
    for family in enforced:
        yield from _chain(f"{family}_verdict", _verdict(config, family))
    if enforced:
        for protocol in (Protocol.UDP, Protocol.TCP):
            yield from _chain(f"{protocol.label}_verdicts", _verdicts(protocol, enforced))
    yield from _chain("late", _late(config, bool(enforced)))


def _early() -> Iterator[str]:
    yield f"type filter hook forward priority {EARLY_PRIORITY}; policy accept;"
    yield "meta l4proto tcp goto tcp_shapes"
    yield "meta l4proto udp jump udp_shapes"
    yield from _seen()
    yield "meta l4proto esp counter name native_esp"
    # AH protects OSPFv3 and VRRP too, always to multicast: routing, not a VPN.
    yield "meta l4proto ah ip daddr != 224.0.0.0/4 counter name native_ah"
    yield "meta l4proto ah ip6 daddr != ff00::/8 counter name native_ah"


def _late(config: Config, enforcing: bool) -> Iterator[str]:
    bits = marks(config.gateway.mark_mask)
    yield f"type filter hook forward priority {LATE_PRIORITY}; policy accept;"
    yield f"meta mark & {bits.mask:#x} == 0 accept"
    if enforcing:
        # A mark alone is not enough to act: the operator may use the same bits. The shape must hold as well.
        yield "meta l4proto udp jump udp_verdicts"
        yield "meta l4proto tcp jump tcp_verdicts"
    # What nobody listened for comes here with its mark still on.
    yield f"meta mark & {bits.mask:#x} == {bits.candidate:#x} meta mark set meta mark & {_others(bits)}"


def _of(protocol: Protocol, families: tuple[Family, ...]) -> Iterator[Shape]:
    return (shape for shape in all_shapes() if shape.protocol is protocol and shape.family in families)


def _verdicts(protocol: Protocol, families: tuple[Family, ...]) -> Iterator[str]:
    for shape in _of(protocol, families):
        for match in shape.nft():
            yield f'{match} goto {shape.family}_verdict comment "{shape.name}"'


def _seen() -> Iterator[str]:
    # Data: type 4, zero reserved bytes, high word of the counter zero (WireGuard paper §5.4.6).
    yield "udp length >= 40 @th,64,32 0x04000000 @th,160,32 0 counter name wireguard_data accept"
    # RFC 3948 §2.2: on the NAT-T port anything but the non-ESP marker and the keepalive is ESP.
    for side in ("sport", "dport"):
        yield f"udp {side} 4500 udp length >= 24 @th,64,32 != 0 counter name esp_in_udp accept"


def _candidate(config: Config, family: Family, backend: Backend, enforced: bool) -> Iterator[str]:
    bits = marks(config.gateway.mark_mask)
    for outcome in ("exempt", "registered"):
        for version, ip in ((4, "ip"), (6, "ip6")):
            for side in ("saddr", "daddr"):
                for name in (f"{outcome}{version}", f"{outcome}{version}_prefixes"):
                    yield f"{ip} {side} @{name} counter name {family}_{outcome} accept"
    for length, name in MASKED_SETS.items():
        mask = ip_network(f"::/{length}").netmask
        for side in ("saddr", "daddr"):
            yield f"ip6 {side} & {mask} @{name} counter name {family}_registered accept"
    if enforced:
        for name, ip in zip(_rejected(family), ("ip", "ip6"), strict=True):
            yield (
                f"{ip} saddr . meta l4proto . th sport . {ip} daddr . th dport @{name} "
                f"counter name {family}_rejected_again goto {family}_reject"
            )
    yield f"counter name {family}_queued"
    if backend is Backend.NATIVE:
        yield f"meta mark set meta mark & {_others(bits)}"
        yield f"queue flags bypass to {queue_range(config)}"
    else:
        yield f"meta mark set meta mark & {_others(bits)} | {bits.candidate:#x} accept"


def _verdict(config: Config, family: Family) -> Iterator[str]:
    bits = marks(config.gateway.mark_mask)
    rejected = f"meta mark & {bits.mask:#x} == {bits.reject:#x}"
    dropped = f"meta mark & {bits.mask:#x} == {bits.drop_answer:#x}"
    for name, version, ip in zip(_rejected(family), (4, 6), ("ip", "ip6"), strict=True):
        sent = f"{ip} saddr . meta l4proto . th sport . {ip} daddr . th dport"
        answered = f"{ip} daddr . meta l4proto . th dport . {ip} saddr . th sport"
        yield f"meta nfproto ipv{version} {rejected} add @{name} {{ {sent} }}"
        yield f"meta nfproto ipv{version} {dropped} add @{name} {{ {answered} }}"
    yield f"{rejected} counter name {family}_rejected goto {family}_reject"
    yield f"{dropped} counter name {family}_answer_dropped drop"


def _reject(config: Config) -> Iterator[str]:
    if config.gateway.reject == "drop":
        yield "drop"
    else:
        yield "meta l4proto tcp reject with tcp reset"
        yield "reject with icmpx admin-prohibited"


def _others(bits: Marks) -> str:
    return f"{~bits.mask & 0xFFFFFFFF:#x}"


def _chain(name: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"chain {name} {{"
    yield from _indent(rules)
    yield "}"


def _indent(lines: Iterable[str]) -> Iterator[str]:
    return ("    " + line for line in lines)


def _address_type(name: str) -> str:
    return "ipv6_addr" if "6" in name else "ipv4_addr"
