"""The remembered list on disk: what was saved comes back, and a damaged file never stops a start."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from enforcer.fingerprints.detection import Family
from enforcer.registry.memory_file import restore, save
from enforcer.registry.model import HolderKind, Registration, Revocation

COMPANY = Registration(
    "C-1", HolderKind.COMPANY, ip_network("2001:db8::/48"), None, 1.5, 2.0e9,
    frozenset({Family.IPSEC, Family.OPENVPN}),
    (ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/64")), "é", "list.csv:2",
    Revocation("fraud", 1.0, 2.0, "list.csv:3"), 7.25,
)  # fmt: skip
FREELANCER = Registration(
    "F-1", HolderKind.FREELANCER, None, bytes(range(16)), None, None, frozenset(), (), "", "list.yaml:9"
)


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    save(path, [COMPANY, FREELANCER])
    save(path, [replace(COMPANY, note="second"), FREELANCER])
    remembered = restore(path, 0.0)
    assert remembered.registrations == [replace(COMPANY, note="second"), FREELANCER]
    assert remembered.notices == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["registry.json"]
    content = json.loads(path.read_text())
    assert content["schema"] == 1
    assert content["registrations"][1]["tag"] == "000102030405060708090a0b0c0d0e0f"


def test_a_save_that_was_cut_short_leaves_the_old_file_and_does_not_block_the_next(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    save(path, [COMPANY])
    (tmp_path / "registry.json.new").write_text("{ half")
    assert restore(path, 0.0).registrations == [COMPANY]
    save(path, [FREELANCER])
    assert restore(path, 0.0).registrations == [FREELANCER]


def test_no_file_is_how_every_gateway_begins(tmp_path: Path) -> None:
    remembered = restore(tmp_path / "registry.json", 0.0)
    assert remembered.registrations == []
    assert remembered.notices == []


def test_a_file_that_cannot_be_read_is_told_and_left(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.mkdir()
    remembered = restore(path, 0.0)
    assert remembered.registrations == []
    assert [str(notice) for notice in remembered.notices] == [
        f"{path}: cannot be read: Is a directory; entries that vanished from the list before now have no grace"
    ]
    assert path.is_dir()


Damage = Callable[[dict[str, Any]], object]


def entry(content: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = content["registrations"][0]
    return first


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content.update(schema=2), "schema 2, expected 1"),
        (lambda content: content.pop("schema"), "schema None, expected 1"),
        (lambda content: content.update(registrations={}), "expected a list of registrations"),
        (lambda content: content.update(registrations=[5]), "expected an object"),
        (lambda content: entry(content).pop("note"), "'note' is missing"),
        (lambda content: entry(content).update(id=5), "'id' is not text"),
        (lambda content: entry(content).update(kind="person"), "'person' is not a valid HolderKind"),
        (lambda content: entry(content).update(protocols="ipsec"), "'protocols' is not a list of texts"),
        (lambda content: entry(content).update(protocols=["x"]), "'x' is not a valid Family"),
        (lambda content: entry(content).update(network="x"), "does not appear to be an IPv4 or IPv6 network"),
        (lambda content: entry(content).update(network=None), "expected either a network or a tag"),
        (lambda content: entry(content).update(network=None, tag="00"), "a tag of 1 bytes, expected 16"),
        (lambda content: entry(content).update(tag="00" * 16), "expected either a network or a tag"),
        (lambda content: entry(content).update(valid_to="x"), "'valid_to' is not a time"),
        (lambda content: entry(content).update(valid_to=True), "'valid_to' is not a time"),
        (lambda content: entry(content).update(valid_to=float("nan")), "'valid_to' is not a time"),
        (lambda content: entry(content).update(revocation=[]), "expected an object"),
        (lambda content: entry(content)["revocation"].update(effective_at=None), "'effective_at' is not a time"),
    ],
)
def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path, damage: Damage, reason: str) -> None:
    path = tmp_path / "registry.json"
    save(path, [COMPANY])
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    remembered = restore(path, 1234.5)
    assert remembered.registrations == []
    (notice,) = remembered.notices
    assert reason in notice.message
    assert notice.message.endswith(f"set aside as {path}.corrupt-1234")
    assert [file.name for file in tmp_path.iterdir()] == ["registry.json.corrupt-1234"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"schema": 1', b"[" * 100_000])
def test_a_file_that_is_no_json_is_set_aside_and_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "registry.json"
    path.write_bytes(content)
    remembered = restore(path, 99.0)
    assert remembered.registrations == []
    assert len(remembered.notices) == 1
    assert (tmp_path / "registry.json.corrupt-99").read_bytes() == content
