"""Looking for known values wherever they may have been left: every way to write them, in any bytes."""

from __future__ import annotations

import base64
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ahocorasick_rs import BytesAhoCorasick

from enforcer.subscribers.claims import pack

_PAGE = 4096
_SHORT = 5
"""Bytes of a spelling up to which chance makes it too, in a hundred million bytes of anything."""


class Spelling(NamedTuple):
    """One way to write a value: whose it is, which way, and the bytes."""

    name: str
    kind: str
    octets: bytes


class Search:
    """Looks for many spellings at once."""

    def __init__(self, spellings: Iterable[Spelling]) -> None:
        self._spellings = list(spellings)
        self._automaton = BytesAhoCorasick([spelling.octets for spelling in self._spellings])

    def found(self, data: bytes, before: bytes = b"") -> dict[str, str]:
        """Whose spelling stands in the data, each with the way and the bytes around one.

        One so short that chance makes it counts only as far as there are more of it than in ``before``, the same
        place's bytes when nothing of the value had been there yet.
        """
        chance = Counter(
            which for which, _, _ in self._automaton.find_matches_as_indexes(before, overlapping=True)
        )
        found: dict[str, str] = {}
        for which, start, end in self._automaton.find_matches_as_indexes(data, overlapping=True):
            spelling = self._spellings[which]
            if len(spelling.octets) <= _SHORT and chance[which] > 0:
                chance[which] -= 1
                continue
            found.setdefault(spelling.name, f"{spelling.kind}: {data[max(0, start - 32) : end + 32]!r}")
        return found


def address(name: str, text: str) -> Iterator[Spelling]:
    """An address in text, as bytes and halves in either order, as integers, in hexadecimal and base64."""
    value = ip_address(text)
    packed = value.packed
    for each in {text, value.compressed, value.exploded, value.compressed.upper(), value.exploded.upper()}:
        yield from _text(name, each)
    yield from _text(name, str(int(value)))
    yield from _binary(name, packed)
    yield Spelling(name, "as Python's int", _limbs(int(value)))
    yield Spelling(name, "as the session table's key", _limbs(pack(ip_network(text))))
    if value.version == 6:
        yield from _binary(name, packed[8:])


def prefix(name: str, text: str) -> Iterator[Spelling]:
    """A subscriber's IPv6 prefix of 64 bits: its first half in text, as bytes, as integers."""
    network = ip_network(text)
    packed = network.network_address.packed[:8]
    yield from _text(name, network.network_address.compressed.removesuffix("::"))
    yield from _text(name, network.network_address.exploded[:19])
    yield from _binary(name, packed)
    yield Spelling(name, "as Python's int", _limbs(int.from_bytes(packed)))
    yield Spelling(name, "as the session table's key", _limbs(pack(network)))


def number(name: str, international: str, country: str) -> Iterator[Spelling]:
    """A telephone number (``+`` and digits) in digits, as integers, in packed decimal, hexadecimal and base64."""
    digits = international.removeprefix("+")
    national = digits.removeprefix(country)
    for each in (national, f"{national[:3]} {national[3:]}", f"{national[:3]}-{national[3:]}"):
        yield from _text(name, each)
    for value in (digits, national):
        yield Spelling(name, "as an integer", int(value).to_bytes(8, "little"))
        yield Spelling(name, "as an integer, network order", int(value).to_bytes(8, "big"))
        yield Spelling(name, "as Python's int", _limbs(int(value)))
        padded = value + "f" * (len(value) % 2)
        yield Spelling(name, "in packed decimal", bytes.fromhex(padded))
        # TBCD, as mobile cores have it (3GPP TS 29.002).
        swapped = "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))
        yield Spelling(name, "in swapped decimal", bytes.fromhex(swapped))


def memory(pid: int) -> bytes:
    """All that a core dump of a running process would hold of its writable memory (core(5), proc(5)).

    Pages of one and the same byte are left out: untouched ones, and those that were overwritten.
    """
    found = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mapped:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            first, last = (int(part, 16) for part in span.split("-"))
            with suppress(OSError):
                mapped.seek(first)
                found += _used(mapped.read(last - first))
    return bytes(found)


def family(pid: int) -> list[int]:
    """A process and all that it started, theirs too."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def _used(data: bytes) -> bytes:
    pages = (data[at : at + _PAGE] for at in range(0, len(data), _PAGE))
    kept = groupby(pages, lambda page: page == page[:1] * len(page))
    # What is left out leaves a gap: no spelling is to arise across it.
    return b"".join(bytes(64) if same else b"".join(group) for same, group in kept)


def _text(name: str, text: str) -> Iterator[Spelling]:
    plain = text.encode()
    yield Spelling(name, "in text", plain)
    yield Spelling(name, "in UTF-16", text.encode("utf-16-le"))
    yield Spelling(name, "in text in hexadecimal", plain.hex().encode())
    for kind, octets in _base64(plain):
        yield Spelling(name, f"in text in {kind}", octets)


def _binary(name: str, packed: bytes) -> Iterator[Spelling]:
    yield Spelling(name, "in network order", packed)
    yield Spelling(name, "reversed", packed[::-1])
    yield Spelling(name, "in hexadecimal", packed.hex().encode())
    yield Spelling(name, "in HEXADECIMAL", packed.hex().upper().encode())
    yield Spelling(name, "in base64", base64.b64encode(packed))
    for kind, octets in _base64(packed):
        if len(octets) > _SHORT:
            yield Spelling(name, f"in {kind}", octets)


def _base64(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The characters that are the data's alone, wherever it begins in what was encoded."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + data)
        yield f"base64 from byte {shift}", encoded[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]


def _limbs(value: int) -> bytes:
    """The digits of CPython's int, of 30 bits each (Include/cpython/longintrepr.h)."""
    limbs = []
    while value:
        limbs.append(value & (1 << 30) - 1)
        value >>= 30
    return struct.pack(f"={len(limbs)}I", *limbs)
