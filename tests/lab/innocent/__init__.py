"""Innocent traffic: everything that must pass the gateway as if it were not there."""

from __future__ import annotations

from collections.abc import Mapping

from tests.lab.innocent.bittorrent import bittorrent
from tests.lab.innocent.datagrams import ntp, srtp, stun
from tests.lab.innocent.names import dns_tcp, dns_udp
from tests.lab.innocent.quic import quic
from tests.lab.innocent.services import dtls, icmp_echo, iperf_tcp, iperf_udp, sip, snmp
from tests.lab.innocent.setting import Generator, Setting
from tests.lab.innocent.web import http_plain, https
from tests.lab.traffic import Exchange

GENERATORS: Mapping[str, Generator] = {
    "icmp": icmp_echo,
    "dns-udp": dns_udp,
    "dns-tcp": dns_tcp,
    "http": http_plain,
    "https": https,
    "quic": quic,
    "dtls": dtls,
    "stun": stun,
    "srtp": srtp,
    "bittorrent-utp": bittorrent,
    "sip": sip,
    "snmp": snmp,
    "ntp": ntp,
    "iperf-tcp": iperf_tcp,
    "iperf-udp": iperf_udp,
}
"""By the name they have in pcaps/manifest.yaml."""


def run_all(setting: Setting) -> list[Exchange]:
    """Run every generator, one after the other, so that their times do not disturb each other."""
    return [generate(setting) for generate in GENERATORS.values()]


__all__ = ["GENERATORS", "Exchange", "Generator", "Setting", "run_all"]
