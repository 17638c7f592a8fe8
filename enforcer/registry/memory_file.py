"""The remembered list on disk, so that a restart forgets nobody.

NumPy's ``.npz`` (a ZIP archive of arrays, with a CRC-32 of each) of the columns of ``Registrations``, less the
hashes of the ids, which hold in one process only; and ``rest``, UTF-8 of a JSON object: ``schema`` (2),
``sources``, ``notes``, ``conditions`` (lists of protocols and peers) and ``revocations`` (the row, then a
revocation's fields). Networks are text, times seconds since the epoch (UTC). Numbers are not in it, for they are
not known any more. The file is readable by its owner only and replaced as a whole. Schema 1, a JSON object, is
still read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from ipaddress import ip_network
from pathlib import Path
from typing import BinaryIO

import numpy as np

from enforcer.fingerprints.detection import Family
from enforcer.problems import Notice
from enforcer.registry import memory_schema1
from enforcer.registry.model import Revocation
from enforcer.registry.registrations import KINDS, TAG, V6, Registrations, hashes
from enforcer.replace_file import replace_written
from enforcer.set_aside import set_aside

SCHEMA = 2

_COLUMNS = {
    "id": "S", "kind": "u1", "form": "u1", "high": "u8", "low": "u8", "valid_from": "f8", "valid_to": "f8",
    "vanished_at": "f8", "condition": "u4", "note": "u4", "source": "u4", "line": "u4",
}  # fmt: skip
_FORMER = {"former": "V16", "former_row": "u4"}
_ARCHIVE = b"PK"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a memory file held, and what there is to say about it."""

    registrations: Registrations
    notices: list[Notice]


def save(path: Path, registrations: Registrations) -> None:
    """Replace the file, atomically and durably, mode 0600. Raises OSError when it cannot be written."""
    rest = {
        "schema": SCHEMA,
        "sources": registrations.sources,
        "notes": registrations.notes,
        "conditions": [
            [sorted(protocols), [str(peer) for peer in peers]] for protocols, peers in registrations.conditions
        ],
        "revocations": [
            [row, one.reason, one.notice_at, one.effective_at, one.source]
            for row, one in registrations.revocations.items()
        ],
    }
    text = np.frombuffer(json.dumps(rest, separators=(",", ":")).encode(), np.uint8)
    columns = {name: getattr(registrations, name) for name in (*_COLUMNS, *_FORMER)}

    def write(file: BinaryIO) -> None:
        np.savez(file, rest=text, **columns)

    replace_written(path, write)


def restore(path: Path, now: float, aside: bool = True) -> Remembered:
    """What was saved; nothing when there is no file, which is how every gateway begins.

    A file that cannot be understood is set aside as ``<file>.corrupt-<now>`` and told, and nothing is
    remembered; the same, without setting it aside, for one that cannot be read or when ``aside`` is false. Never
    raises.
    """
    file = str(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Remembered(_NOTHING, [])
    except OSError as error:
        told = f"cannot be read: {error.strerror}; entries that vanished from the list before now have no grace"
        return Remembered(_NOTHING, [Notice(file, None, None, told)])
    try:
        return Remembered(_read(data) if data.startswith(_ARCHIVE) else memory_schema1.read(data), [])
    except Exception as error:
        # A damaged archive raises almost anything.
        told = f"is not understood ({error}): entries that vanished from the list before now have no grace"
        if aside:
            told += f"; {set_aside(path, now)}"
        return Remembered(_NOTHING, [Notice(file, None, None, told)])


def _read(data: bytes) -> Registrations:
    with np.load(BytesIO(data), allow_pickle=False) as archive:
        missing = {"rest", *_COLUMNS, *_FORMER} - set(archive)
        if missing:
            raise ValueError(f"'{min(missing)}' is missing")
        rest = json.loads(archive["rest"].tobytes())
        columns = {name: archive[name] for name in (*_COLUMNS, *_FORMER)}
    if rest.get("schema") != SCHEMA:
        raise ValueError(f"schema {rest.get('schema')!r}, expected {SCHEMA}")
    count = len(columns["form"])
    for name, kind in {**_COLUMNS, **_FORMER}.items():
        column = columns[name]
        expected = len(columns["former"]) if name in _FORMER else count
        if column.shape != (expected,) or (column.dtype != kind and column.dtype.kind != kind):
            raise ValueError(f"'{name}' is not a column of {kind}")
    if (columns["id"].view("u1") > 0x7F).any():
        raise ValueError("an id that is not ASCII")
    if any(np.isinf(columns[name]).any() for name in ("valid_from", "valid_to", "vanished_at")):
        raise ValueError("a time is none")
    if (columns["kind"] >= len(KINDS)).any() or not np.isin(columns["form"], _FORMS).all():
        raise ValueError("a kind or form that is none")
    for name, values in (("condition", "conditions"), ("note", "notes"), ("source", "sources")):
        if count and columns[name].max() >= len(rest[values]):
            raise ValueError(f"'{name}' is not a place in '{values}'")
    row = columns["former_row"]
    if len(row) and (row.max() >= count or (np.diff(row.astype(np.int64)) < 0).any()):
        raise ValueError("'former_row' is not a column of rows, ascending")
    return Registrations(
        **columns,
        id_hash=hashes(columns["id"].tolist()),
        sources=tuple(map(str, rest["sources"])),
        notes=tuple(map(str, rest["notes"])),
        conditions=tuple(
            (frozenset(map(Family, protocols)), tuple(map(ip_network, peers)))
            for protocols, peers in rest["conditions"]
        ),
        revocations={
            int(row): Revocation(str(reason), float(notice_at), float(effective_at), str(source))
            for row, reason, notice_at, effective_at, source in rest["revocations"]
        },
    )


_NOTHING = Registrations.of(())
_FORMS = (*range(33), *range(V6, V6 + 129), TAG)
