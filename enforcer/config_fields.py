"""Types of configuration fields: what is accepted, and the words that say so when it is not."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from zoneinfo import ZoneInfo

from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, BeforeValidator, Field

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> object:
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+)\s*([smhd])", value.strip())
        if found is None:
            raise ValueError("expected a duration: a number and one of s, m, h, d, for example 90s or 30d")
        return int(found[1]) * _UNITS[found[2]]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected a duration: a number and one of s, m, h, d, for example 90s or 30d")
    return value


def _grace(value: int) -> int:
    if value < 30 * 86400:
        raise ValueError("expected at least 30d: a grace period may be made longer, not shorter")
    return value


def _network(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("expected an address or prefix in quotes or plain, for example 203.0.113.0/24")
    if "%" in value or value.strip().lower().startswith("::ffff:"):
        raise ValueError("no packet carries such an address: expected plain IPv4, or IPv6 without a zone index")
    try:
        return ip_network(value.strip())
    except ValueError:
        pass
    try:
        loose = ip_network(value.strip(), strict=False)
    except ValueError:
        raise ValueError(
            "expected an IPv4 or IPv6 address or prefix, for example 203.0.113.0/24 or 2001:db8::/32"
        ) from None
    raise ValueError(f"has host bits set; the prefix is {loose}")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("expected a time zone of the IANA database, for example Asia/Karachi") from None
    return value


def _region(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}", value):
        raise ValueError("expected a two-letter country code of ISO 3166, for example PK")
    if value not in SUPPORTED_REGIONS:
        raise ValueError("no country with telephone numbers has this code; expected one of ISO 3166, such as PK")
    return value


def _interface(value: str) -> str:
    if not re.fullmatch(r"[^\s/\"*]{1,15}|[^\s/\"*]{1,14}\*", value):
        raise ValueError("expected an interface name of at most 15 characters, * allowed at its end (ppp*)")
    return value


def _host_name(value: str) -> str:
    name = value.rstrip(".").lower()
    if len(name) > 253 or not all(re.fullmatch(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", part) for part in name.split(".")):
        raise ValueError("expected a host name, for example vpn.example.net")
    if name.rpartition(".")[2].isdecimal():
        raise ValueError("expected a host name, for example vpn.example.net; addresses belong under prefixes")
    return name


def _mobile_network(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"\d{3}-\d{2,3}", value):
        raise ValueError('expected a mobile network as MCC-MNC in quotes, for example "410-01"')
    return value


def _listen(value: str) -> str:
    host, port = split_listen(value)
    if not host or not 0 < port < 65536:
        raise ValueError("expected address:port, for example 127.0.0.1:9469 or [::1]:9469")
    return value


def split_listen(value: str) -> tuple[str, int]:
    """``address:port`` apart, brackets of IPv6 removed; port 0 when there is none."""
    host, _, port = value.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port) if port.isdecimal() else 0


Seconds = Annotated[int, BeforeValidator(_seconds)]
Grace = Annotated[int, BeforeValidator(_seconds), AfterValidator(_grace)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Interface = Annotated[str, AfterValidator(_interface)]
HostName = Annotated[str, AfterValidator(_host_name)]
MobileNetwork = Annotated[str, BeforeValidator(_mobile_network)]


def _address(value: str) -> str:
    network = _network(value)
    assert isinstance(network, (IPv4Network, IPv6Network))
    if network.num_addresses != 1:
        raise ValueError("expected one address, not a prefix")
    return value


Address = Annotated[str, AfterValidator(_address)]
TimeZone = Annotated[str, AfterValidator(_zone)]
Country = Annotated[str, AfterValidator(_region)]
Listen = Annotated[str, AfterValidator(_listen)]
Integer = Annotated[int, Field(strict=True)]
