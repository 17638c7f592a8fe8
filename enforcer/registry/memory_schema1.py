"""The remembered list as earlier versions wrote it, so that an upgrade forgets nobody.

A JSON object: ``schema`` (1) and ``registrations``, a list of objects with the fields of ``Registration``:
networks as text, tags as hexadecimal digits, times in seconds since the epoch (UTC).
"""

from __future__ import annotations

import json
import math
from ipaddress import ip_network

from enforcer.fingerprints.detection import Family
from enforcer.registry.model import HolderKind, Network, Registration, Revocation
from enforcer.registry.registrations import Registrations
from enforcer.subscribers.number import TAG_BYTES

SCHEMA = 1


def read(data: bytes) -> Registrations:
    """What was saved. Raises ValueError or RecursionError when it cannot be understood."""
    content = json.loads(data)
    if not isinstance(content, dict):
        raise ValueError("expected an object")
    if content.get("schema") != SCHEMA:
        raise ValueError(f"schema {content.get('schema')!r}, expected {SCHEMA}")
    entries = content.get("registrations")
    if not isinstance(entries, list):
        raise ValueError("expected a list of registrations")
    return Registrations.of(map(_registration, entries))


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
