"""The mobile networks of the world, and the names under which phones look for their Wi-Fi calling.

The codes (ITU-T E.212: a country's MCC of three digits, a network's MNC of two or three) come with the package
mcc-mnc-p1, which keeps them from the ITU's bulletins and Wikipedia; they are read from the installed package.
"""

from __future__ import annotations

import json
from importlib.resources import files

ROOT = "pub.3gppnetwork.org"

_NOT_PUBLIC = frozenset({"001", "999"})
"""Test networks and private use: no phone that roams belongs to one."""

_FEWEST = 2000
"""A table of fewer networks is not the one we know: about 3,400 are assigned."""


class TableError(Exception):
    """The installed table of mobile networks is not understood."""


def all_networks() -> tuple[str, ...]:
    """Every assigned mobile network as "MCC-MNC", in order. Raises TableError."""
    text = files("mcc_mnc_lut").joinpath("p1_mnc.json").read_text(encoding="utf-8")
    # A list of two objects: where the data is from, and the networks by MCC and MNC written together.
    content = json.loads(text)
    codes = content[1] if isinstance(content, list) and len(content) == 2 else None
    if not isinstance(codes, dict) or len(codes) < _FEWEST or not all(map(_is_code, codes)):
        raise TableError("mcc-mnc-p1 is installed in a version this program does not know: install one below 2")
    return tuple(sorted(f"{code[:3]}-{code[3:]}" for code in codes if code[:3] not in _NOT_PUBLIC))


def operator_names(network: str) -> tuple[str, ...]:
    """The names of a network "MCC-MNC" itself, emergency names first.

    3GPP TS 23.003 §19.4.2.9.2 (ePDG), §19.4.2.9A.2 (ePDG for emergencies) and §28.3.2.2 (N3IWF); a two-digit
    MNC is written with a leading zero.
    """
    mcc, mnc = network.split("-")
    return _names(f"mnc{mnc:0>3}.mcc{mcc}")


def country_names(mcc: str) -> tuple[str, ...]:
    """The names a visitor's phone asks for in the country ``mcc``, emergency names first.

    3GPP TS 23.003 §19.4.2.9.4, §19.4.2.9A.4 (ePDG) and §28.3.2.2 (N3IWF).
    """
    return _names(f"mcc{mcc}.visited-country")


def wifi_calling_names(network: str) -> tuple[str, ...]:
    """The names of a network "MCC-MNC" and of its country, emergency names first."""
    names = (*operator_names(network), *country_names(network.split("-")[0]))
    return tuple(sorted(names, key=_rank))


def worlds_names() -> tuple[str, ...]:
    """The names of every network and country: emergency names first, and countries' before networks'.

    Raises TableError.
    """
    networks = all_networks()
    countries = dict.fromkeys(network.split("-")[0] for network in networks)
    names = [name for mcc in countries for name in country_names(mcc)]
    names += [name for network in networks for name in operator_names(network)]
    return tuple(sorted(dict.fromkeys(names), key=_rank))


def is_emergency(name: str) -> bool:
    """Whether it is a name phones ask for before an emergency call."""
    return name.startswith("sos.")


def is_country(name: str) -> bool:
    """Whether it is a visited country's name, which leads to networks' names by NAPTR records."""
    return ".visited-country." in name


def _names(where: str) -> tuple[str, ...]:
    plain = [f"{kind}.{where}.{ROOT}" for kind in ("epdg.epc", "n3iwf.5gc")]
    return (*(f"sos.{name}" for name in plain), *plain)


def _rank(name: str) -> int:
    return 0 if is_emergency(name) else 1


def _is_code(code: str) -> bool:
    return code.isdecimal() and len(code) in (5, 6)
