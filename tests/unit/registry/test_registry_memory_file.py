"""The remembered list on disk: what was saved comes back, and a damaged file never stops a start."""

from __future__ import annotations

import copy
import json
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.fingerprints.detection import Family
from enforcer.registry import memory_file
from enforcer.registry.memory_file import restore
from enforcer.registry.model import HolderKind, Registration, Revocation
from enforcer.registry.registrations import Registrations

COMPANY = Registration(
    "C-1", HolderKind.COMPANY, ip_network("2001:db8::/48"), None, 1.5, 2.0e9,
    frozenset({Family.IPSEC, Family.OPENVPN}),
    (ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/64")), "é", "list.csv:2",
    Revocation("fraud", 1.0, 2.0, "list.csv:3"), 7.25,
)  # fmt: skip
FREELANCER = Registration(
    "F-1", HolderKind.FREELANCER, None, bytes(range(16)), None, None, frozenset(), (), "", "list.yaml:9"
)


# As version 1 of the file wrote COMPANY and FREELANCER.
SCHEMA1: dict[str, Any] = {
    "schema": 1,
    "registrations": [
        {
            "id": "C-1", "kind": "company", "network": "2001:db8::/48", "tag": None, "former_tags": [],
            "valid_from": 1.5, "valid_to": 2.0e9, "protocols": ["ipsec", "openvpn"],
            "peers": ["192.0.2.0/24", "2001:db8:1::/64"], "note": "é", "source": "list.csv:2", "vanished_at": 7.25,
            "revocation": {"reason": "fraud", "notice_at": 1.0, "effective_at": 2.0, "source": "list.csv:3"},
        },
        {
            "id": "F-1", "kind": "freelancer", "network": None, "tag": "000102030405060708090a0b0c0d0e0f",
            "former_tags": [], "valid_from": None, "valid_to": None, "protocols": [], "peers": [], "note": "",
            "source": "list.yaml:9", "vanished_at": None, "revocation": None,
        },
    ],
}  # fmt: skip


def save(path: Path, registrations: Sequence[Registration]) -> None:
    memory_file.save(path, Registrations.of(registrations))


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    save(path, [COMPANY, FREELANCER])
    save(path, [replace(COMPANY, note="second"), FREELANCER])
    remembered = restore(path, 0.0)
    assert remembered.registrations == [replace(COMPANY, note="second"), FREELANCER]
    assert remembered.notices == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["registry.json"]


def test_former_tags_revocations_and_sources_come_back(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    old = replace(FREELANCER, former_tags=(b"o" * 16, bytes(16)), source="by hand")
    kept = [FREELANCER, COMPANY, old, replace(old, id="x" * 64, former_tags=(bytes(16),))]
    save(path, kept)
    assert list(restore(path, 0.0).registrations) == kept
    save(path, [])
    assert restore(path, 0.0).registrations == []


def test_what_an_earlier_version_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text(json.dumps(SCHEMA1))
    remembered = restore(path, 0.0)
    assert remembered.registrations == [COMPANY, FREELANCER]
    assert remembered.notices == []


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
    content = copy.deepcopy(SCHEMA1)
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


Columns = dict[str, Any]


def rest(columns: Columns, **changes: object) -> None:
    content = {**json.loads(columns["rest"].tobytes()), **changes}
    columns["rest"] = np.frombuffer(json.dumps(content).encode(), np.uint8)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda columns: columns.pop("note"), "'note' is missing"),
        (lambda columns: rest(columns, schema=3), "schema 3, expected 2"),
        (lambda columns: columns.update(low=columns["low"][:1]), "'low' is not a column of u8"),
        (lambda columns: columns.update(line=columns["line"].astype("f8")), "'line' is not a column of u4"),
        (lambda columns: columns.update(id=np.array([b"\xff", b"x"])), "an id that is not ASCII"),
        (lambda columns: columns["valid_to"].fill(np.inf), "a time is none"),
        (lambda columns: columns["form"].fill(33), "a kind or form that is none"),
        (lambda columns: columns["kind"].fill(2), "a kind or form that is none"),
        (lambda columns: columns["note"].fill(9), "'note' is not a place in 'notes'"),
        (lambda columns: rest(columns, conditions=[]), "'condition' is not a place in 'conditions'"),
        (lambda columns: rest(columns, conditions=[[["x"], []]] * 2), "'x' is not a valid Family"),
        (lambda columns: columns["former_row"].fill(2), "'former_row' is not a column of rows"),
        (lambda columns: columns.update(rest=columns["rest"][:-1]), "Expecting"),
        (lambda columns: columns.update(kind=np.array([None, None])), "allow_pickle=False"),
    ],
)
def test_a_damaged_archive_is_set_aside_and_told(
    tmp_path: Path, damage: Callable[[Columns], object], reason: str
) -> None:
    path = tmp_path / "registry.json"
    save(path, [COMPANY, replace(FREELANCER, former_tags=(bytes(16),))])
    columns = dict(np.load(path))
    damage(columns)
    with path.open("wb") as file:
        np.savez(file, **columns)
    remembered = restore(path, 1234.5)
    assert remembered.registrations == []
    (notice,) = remembered.notices
    assert reason in notice.message
    assert [file.name for file in tmp_path.iterdir()] == ["registry.json.corrupt-1234"]


@settings(deadline=None)
@given(st.data())
def test_one_damaged_byte_never_raises_nor_changes_a_registration(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "registry.json"
        save(path, [COMPANY, FREELANCER])
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
        remembered = restore(path, 0.0)
    assert remembered.registrations in ([], [COMPANY, FREELANCER])
    assert bool(remembered.notices) == (remembered.registrations == [])
