"""The systemd unit allows what the commented configuration proposes."""

from __future__ import annotations

import re
from pathlib import Path


def test_the_service_may_write_where_the_example_puts_things(repository: Path) -> None:
    unit = (repository / "systemd" / "enforcer.service").read_text()
    example = (repository / "config" / "enforcer.example.yaml").read_text()
    places = {"/var/lib": "StateDirectory", "/run": "RuntimeDirectory", "/var/log": "LogsDirectory"}
    named = set(re.findall(r": (/var/lib|/run|/var/log)/enforcer/", example))
    assert named == set(places)
    for place in named:
        assert f"\n{places[place]}=enforcer\n" in unit


def test_the_service_may_give_its_socket_to_a_group(repository: Path) -> None:
    unit = (repository / "systemd" / "enforcer.service").read_text()
    assert re.search(r"^CapabilityBoundingSet=.*\bCAP_CHOWN\b", unit, re.MULTILINE)


def test_the_service_starts_without_asking_dns_first(repository: Path) -> None:
    # `check` has problems while DNS is dead; `run` starts with what it remembers.
    assert "ExecStartPre" not in (repository / "systemd" / "enforcer.service").read_text()
