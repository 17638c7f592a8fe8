"""A list as an operator with a million registrations might have it, and a configuration that names it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

HEADER = (
    "id,holder,address,number,valid_from,valid_to,protocols,peers,note,revokes,reason,notice_date,effective_date"
)


def rows(count: int) -> Iterator[str]:
    """Six in ten are numbers; three single IPv4 addresses; the others prefixes. A few have conditions or notes."""
    source = random.Random(1)
    single, prefix4, prefix6 = 0x14000000, 0x2D000000, 0x20010DB8 << 96
    for row in range(count):
        kind = source.random()
        dates = f"{2024 + row % 2}-{row % 12 + 1:02}-{row % 28 + 1:02},{2027 + row % 3}-{row % 12 + 1:02}-28"
        limits = source.choice(("wireguard,", "openvpn;ipsec,", ",192.0.2.0/24")) if row % 50 == 0 else ","
        note = f"ticket {row // 20}" if row % 20 == 0 else ""
        if kind < 0.6:
            number = 3000000000 + row
            form = (f"+92{number}", f"0{number}", f"0{number // 10**7} {number % 10**7:07}")[row % 3]
            who = f"freelancer,,{form}"
        elif kind < 0.9:
            who, single = f"company,{IPv4Address(single)},", single + 1 + row % 3
        elif kind < 0.97:
            length = 29 + row % 2
            who, prefix4 = f"company,{IPv4Address(prefix4)}/{length},", prefix4 + 8
        else:
            length = 48 if row % 2 else 56
            who, prefix6 = f"company,{IPv6Address(prefix6)}/{length},", prefix6 + (1 << 80)
        yield f"R-{row * 7919 % 10_000_000:07},{who},{dates},{limits},{note},,,,"


def write(path: Path, count: int, changed: int | None = None) -> None:
    """Write a list of ``count`` rows; the row ``changed`` has another id."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER + "\n")
        for number, row in enumerate(rows(count)):
            file.write(f"S{row[1:]}\n" if number == changed else f"{row}\n")
