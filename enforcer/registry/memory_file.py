"""The remembered list on disk, so that a restart forgets nobody.

A JSON object: ``schema`` (1) and ``registrations``, a list of objects with the fields of ``Registration``:
networks as text, tags as hexadecimal digits, times in seconds since the epoch (UTC). Numbers are not in it, for
they are not known any more. The file is readable by its owner only and replaced as a whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from enforcer.fingerprints.detection import Family
from enforcer.problems import Notice
from enforcer.registry.model import HolderKind, Network, Registration, Revocation
from enforcer.replace_file import replace_file
from enforcer.set_aside import set_aside
from enforcer.subscribers.number import TAG_BYTES

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a memory file held, and what there is to say about it."""

    registrations: list[Registration]
    notices: list[Notice]


def save(path: Path, registrations: Iterable[Registration]) -> None:
    """Replace the file, atomically and durably, mode 0600. Raises OSError when it cannot be written."""
    text = json.dumps(
        {"schema": SCHEMA, "registrations": [_encode(registration) for registration in registrations]},
        separators=(",", ":"),
    )
    replace_file(path, text)


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
        return Remembered([], [])
    except OSError as error:
        told = f"cannot be read: {error.strerror}; entries that vanished from the list before now have no grace"
        return Remembered([], [Notice(file, None, None, told)])
    try:
        return Remembered(_decode(data), [])
    except (ValueError, RecursionError) as error:
        told = f"is not understood ({error}): entries that vanished from the list before now have no grace"
        if aside:
            told += f"; {set_aside(path, now)}"
        return Remembered([], [Notice(file, None, None, told)])


def _encode(registration: Registration) -> dict[str, object]:
    revocation = registration.revocation
    return {
        "id": registration.id,
        "kind": registration.kind.value,
        "network": None if registration.network is None else str(registration.network),
        "tag": None if registration.tag is None else registration.tag.hex(),
        "former_tags": [tag.hex() for tag in registration.former_tags],
        "valid_from": registration.valid_from,
        "valid_to": registration.valid_to,
        "protocols": sorted(registration.protocols),
        "peers": [str(peer) for peer in registration.peers],
        "note": registration.note,
        "source": registration.source,
        "vanished_at": registration.vanished_at,
        "revocation": None
        if revocation is None
        else {
            "reason": revocation.reason,
            "notice_at": revocation.notice_at,
            "effective_at": revocation.effective_at,
            "source": revocation.source,
        },
    }


def _decode(data: bytes) -> list[Registration]:
    content = json.loads(data)
    if not isinstance(content, dict):
        raise ValueError("expected an object")
    if content.get("schema") != SCHEMA:
        raise ValueError(f"schema {content.get('schema')!r}, expected {SCHEMA}")
    entries = content.get("registrations")
    if not isinstance(entries, list):
        raise ValueError("expected a list of registrations")
    return [_registration(entry) for entry in entries]


def _registration(entry: object) -> Registration:
    fields = _Fields(entry)
    network = fields.optional_text("network")
    tag = fields.optional_text("tag")
    if (network is None) == (tag is None):
        raise ValueError("expected either a network or a tag")
    revocation = fields.value("revocation")
    return Registration(
        id=fields.text("id"),
        kind=HolderKind(fields.text("kind")),
        network=None if network is None else _network(network),
        tag=None if tag is None else _tag(tag),
        valid_from=fields.optional_time("valid_from"),
        valid_to=fields.optional_time("valid_to"),
        protocols=frozenset(Family(name) for name in fields.texts("protocols")),
        peers=tuple(_network(text) for text in fields.texts("peers")),
        note=fields.text("note"),
        source=fields.text("source"),
        revocation=None if revocation is None else _revocation(revocation),
        vanished_at=fields.optional_time("vanished_at"),
        former_tags=tuple(_tag(text) for text in fields.texts("former_tags")),
    )


def _revocation(entry: object) -> Revocation:
    fields = _Fields(entry)
    return Revocation(
        fields.text("reason"), fields.time("notice_at"), fields.time("effective_at"), fields.text("source")
    )


def _network(text: str) -> Network:
    return ip_network(text)


def _tag(text: str) -> bytes:
    tag = bytes.fromhex(text)
    if len(tag) != TAG_BYTES:
        raise ValueError(f"a tag of {len(tag)} bytes, expected {TAG_BYTES}")
    return tag


class _Fields:
    """Typed access to the fields of a JSON object; each raises ValueError for a field of another type."""

    __slots__ = ("_fields",)

    def __init__(self, entry: object) -> None:
        if not isinstance(entry, dict):
            raise ValueError("expected an object")
        self._fields: dict[str, object] = entry

    def value(self, name: str) -> object:
        if name not in self._fields:
            raise ValueError(f"'{name}' is missing")
        return self._fields[name]

    def text(self, name: str) -> str:
        value = self.value(name)
        if not isinstance(value, str):
            raise ValueError(f"'{name}' is not text")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self.value(name) is None else self.text(name)

    def texts(self, name: str) -> list[str]:
        value = self.value(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"'{name}' is not a list of texts")
        return value

    def time(self, name: str) -> float:
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"'{name}' is not a time")
        return float(value)

    def optional_time(self, name: str) -> float | None:
        return None if self.value(name) is None else self.time(name)
