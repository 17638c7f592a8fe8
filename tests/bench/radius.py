"""The RADIUS listener measured: packets a second on one core without loss, where the time goes, a million fuzzed.

``python -m tests.bench.radius rate`` and ``... stages`` and ``... fuzz [COUNT]``; all three without an argument.
On loopback, with a listener of its own. Exit code 1 when the target is missed or a fuzzed packet got through.
"""

from __future__ import annotations

import os
import random
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from enforcer.gateway import forgetting
from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.radius.attributes import Attribute, network
from enforcer.subscribers.radius.channel import events_message, read_message
from enforcer.subscribers.radius.clients import Client
from enforcer.subscribers.radius.codec import Codec, Outcome, answer, taken_apart
from enforcer.subscribers.radius.duplicates import Duplicates, RequestKey
from enforcer.subscribers.radius.process import RadiusProcess
from enforcer.subscribers.radius.pseudonyms import Pseudonyms
from tests.bench.results import Results
from tests.lab import radius as lab

TARGET = 10_000
"""Packets a second."""

SECONDS = 10.0
_SOURCES = 64
_SILENCE = 1.0
"""Seconds without anything more after which the rest counts as lost."""
_SENDER = "127.0.0.1"


def interim(number: int) -> bytes:
    """An ordinary Interim-Update with 20 attributes, one of many sessions."""
    counters = [lab.integer(kind, number) for kind in (42, 43, 46, 47, 48, 52, 53)]  # octets, packets, time
    return lab.request(
        [
            *lab.session(
                lab.INTERIM,
                b"%016x" % number,
                b"92300%07d" % (number % 10_000_000),
                f"100.{64 + (number >> 16) % 64}.{number >> 8 & 255}.{number & 255}",
            ),
            (lab.USER_NAME, b"%d@apn.example.net" % number),
            lab.ipv4(lab.NAS_IP_ADDRESS, "192.0.2.1"),
            lab.integer(lab.EVENT_TIMESTAMP, 1_800_000_000),
            lab.integer(lab.DELAY_TIME, 0),
            lab.prefix(lab.FRAMED_IPV6_PREFIX, f"2001:db8:{number >> 16 & 0xFFFF:x}:{number & 0xFFFF:x}::/64"),
            (5, bytes(4)),
            (6, b"\0\0\0\2"),
            (61, b"\0\0\0\5"),
            *counters,
        ],
        identifier=number // _SOURCES % 256,
    )


@dataclass
class Run:
    """One rate for some seconds: what was sent, answered and told, and the processor's time it took."""

    offered: int
    sent: int
    answered: int
    events: int
    busy: float
    worked: float
    """The processor's seconds."""

    def __str__(self) -> str:
        lost = self.sent - min(self.answered, self.events)
        return (
            f"{self.offered:>7,}/s: sent {self.sent:,}, answered {self.answered:,}, lost {lost:,}; "
            f"the listener's core {100 * self.busy:.0f} % busy"
        )


def offer(process: RadiusProcess, port: int, rate: int, first: int, seconds: float) -> Run:
    """Send at a steady rate, without waiting for answers, and count what comes of it."""
    pid = process._child.pid  # type: ignore[union-attr]
    nases = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(_SOURCES)]
    for nas in nases:
        nas.connect((_SENDER, port))
    prepared = [interim(first + n) for n in range(int(rate * seconds))]
    answered = events = sent = 0
    before, began = _processor(pid), time.monotonic()
    ended = began
    while sent < len(prepared):
        due = min(len(prepared), int((time.monotonic() - began) * rate) + 1)
        for number in range(sent, due):
            nases[number % _SOURCES].send(prepared[number])
        sent = due
        answered += _answers(nases)
        events += len(process.receive())
        ended = time.monotonic()
        time.sleep(0.001)
    busy = (_processor(pid) - before) / (ended - began)
    heard = time.monotonic()
    while min(answered, events) < sent and time.monotonic() - heard < _SILENCE:
        more, told = _answers(nases), len(process.receive())
        answered += more
        events += told
        if more or told:
            heard = time.monotonic()
    for nas in nases:
        nas.close()
    return Run(rate, sent, answered, events, busy, _processor(pid) - before)


def _answers(nases: list[socket.socket]) -> int:
    count = 0
    for nas in nases:
        try:
            while True:
                nas.recv(4096)
                count += 1
        except BlockingIOError:
            pass
    return count


def _processor(pid: int) -> float:
    fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rate() -> bool:
    """Whether the target is sustained without loss."""
    port = lab.free_port()
    process = RadiusProcess(lab.settings(port))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(process._child.pid, cores[:1])  # type: ignore[union-attr]
    os.sched_setaffinity(0, cores[1:] or cores)
    try:
        offer(process, port, 500, 0, 1.0)
        first, kept = 1_000_000, True
        results = Results("radius")
        for offered in (TARGET, 12_500, 15_000, 20_000):
            run = offer(process, port, offered, first, SECONDS if offered == TARGET else 4.0)
            print(run)
            lost = run.sent - min(run.answered, run.events)
            results.add(f"lost at {offered:,}/s", lost, "packets", 0 if offered == TARGET else None)
            each = run.worked / max(1, run.answered) * 1e6
            results.add(f"processor's time a packet at {offered:,}/s", each, "µs", 1e6 / TARGET)
            first += 1_000_000
            if offered == TARGET:
                kept = run.answered == run.sent == run.events
        kilobytes = Path("/proc", str(process._child.pid), "status").read_text()  # type: ignore[union-attr]
        print("the listener's memory:", next(line for line in kilobytes.splitlines() if line.startswith("VmRSS")))
        results.show("the RADIUS listener")
        return kept
    finally:
        process.close()
        os.sched_setaffinity(0, cores)


def stages() -> bool:
    """Microseconds of each step for one packet."""
    datagram = interim(123_456)
    client = Client("lab", (ip_network(_SENDER),), lab.SECRET)
    pseudonyms = Pseudonyms(lab.KEY, "PK")
    codec = Codec("Calling-Station-Id", pseudonyms)
    event = codec.read(datagram, client, _SENDER, 0.0).event
    assert event is not None
    message = events_message([event])
    memory = Duplicates()
    packet = taken_apart(datagram)
    assert packet is not None

    def duplicate() -> None:
        key = RequestKey(_SENDER, 1, 2)
        memory.answer(key, b"", 0.0)
        memory.remember(key, b"", b"", 0.0)

    steps: dict[str, Callable[[], object]] = {
        "duplicate looked up and remembered": duplicate,
        "read, all of it": lambda: codec.read(datagram, client, _SENDER, 0.0),
        "  of which taking the packet apart": lambda: taken_apart(datagram),
        "  of which the IPv6 prefix": lambda: network(Attribute.FRAMED_IPV6_PREFIX, packet[97][0]),
        "  of which the number's normal form and tag": lambda: pseudonyms.number("923001234567"),
        "  of which the answer": lambda: answer(datagram, packet, lab.SECRET),
        "event written for the daemon": lambda: events_message([event]),
        "event read by the daemon": lambda: read_message(message),
    }
    results = Results("radius-stages")
    for name, step in steps.items():
        began = time.process_time()
        for _ in range(3000):
            step()
        results.add(name, (time.process_time() - began) / 3000 * 1e6, "µs")
    results.show(f"a packet of {len(datagram)} octets, processor's time")
    return True


def fuzzed(source: random.Random) -> Iterator[tuple[bytes, bool]]:
    """Packets without end, and whether each is signed with the client's secret: noise, genuine packets damaged
    or under another secret, and nonsense that is signed."""
    genuine = [
        lab.request(lab.session(status), identifier=status, signed=status == lab.STOP)
        for status in (lab.START, lab.STOP, lab.INTERIM, lab.ON, 15)
    ]
    kinds = (1, 4, 8, 26, 31, 32, 33, 40, 41, 44, 55, 80, 95, 97, 123, 168)
    while True:
        choice = source.random()
        if choice < 0.2:
            yield source.randbytes(source.randrange(0, 200)), False
        elif choice < 0.6:
            damaged = bytearray(source.choice(genuine))
            for _ in range(source.randrange(1, 4)):
                damaged[source.randrange(len(damaged))] ^= source.randrange(1, 256)
            cut = source.randrange(len(damaged) + 1) if source.random() < 0.2 else len(damaged)
            data = bytes(damaged[:cut])
            yield data, data in genuine
        elif choice < 0.7:
            attributes = lab.session(source.randrange(0, 16), number=source.randbytes(source.randrange(20)))
            yield lab.request(attributes, source.randbytes(12), source.randrange(256)), False
        else:
            attributes = [
                (source.choice(kinds) if source.random() < 0.9 else source.randrange(256), source.randbytes(size))
                for size in (
                    source.choice((0, 1, 3, 4, 4, 4, 8, 16, 18, 18, 60)) for _ in range(source.randrange(12))
                )
            ]
            if source.random() < 0.5:
                attributes.append(lab.integer(lab.STATUS_TYPE, source.choice((1, 2, 3, 7, 8, 15))))
            yield lab.request(attributes, identifier=source.randrange(256)), True


def check(codec: Codec, client: Client, datagram: bytes, genuine: bool) -> Outcome:
    """Read a fuzzed packet. Raises AssertionError when it got through without its secret, or makes no sense."""
    outcome, answer, event, _ = codec.read(datagram, client, _SENDER, 1.8e9)
    assert genuine or (answer, event) == (None, None), datagram.hex()
    assert event is None or _sensible(event), datagram.hex()
    return outcome


def _sensible(event: AccountingEvent) -> bool:
    whole = event.kind in (EventKind.ON, EventKind.OFF)
    return bool(event.nas) and whole == (event.session == "") and (event.tag is None or len(event.tag) == 16)


def fuzz(count: int = 1_000_000) -> bool:
    """Whether every fuzzed packet came to nothing but what its signature allows, without growth."""
    codec = Codec("Calling-Station-Id", Pseudonyms(lab.KEY, "PK"))
    client = Client("lab", (ip_network(_SENDER),), lab.SECRET)
    outcomes: Counter[str] = Counter()
    memory = 0
    began = time.monotonic()
    for number, (datagram, genuine) in enumerate(fuzzed(random.Random(1)), 1):
        outcomes[check(codec, client, datagram, genuine)] += 1
        if number == count // 4:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if number >= count:
            break
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    print(f"{count:,} fuzzed packets in {time.monotonic() - began:.0f} s, grown by {grown} KiB since a quarter:")
    for outcome, times in outcomes.most_common():
        print(f"  {times:>9,}  {outcome}")
    return grown < 4096


def main(arguments: list[str]) -> int:
    """Run what is asked for, in an environment as the daemon's; the process's exit code."""
    forgetting.ensure()
    kept = True
    for name, step in (("rate", rate), ("stages", stages), ("fuzz", fuzz)):
        if not arguments or arguments[0] == name:
            kept &= fuzz(int(arguments[1])) if name == "fuzz" and len(arguments) > 1 else step()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
