"""Who may send accounting: access servers by address or prefix, each with its secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from enforcer.private_file import read_secret_line
from enforcer.problems import Findings
from enforcer.registry.model import Network
from enforcer.registry.prefixes import PrefixMap

UNKNOWN = "unknown"
"""Stands for every sender that is no client, where clients are counted by name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_MOST_BYTES = 256
_STRONG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Client:
    """An access server, or a proxy that speaks for several."""

    name: str
    networks: tuple[Network, ...]
    secret: bytes = field(repr=False)


class ClientTable:
    """Finds the client by the sender's address: the longest prefix wins."""

    __slots__ = ("_clients",)

    def __init__(self, clients: Iterable[Client]) -> None:
        self._clients: PrefixMap[Client] = PrefixMap()
        for client in clients:
            for network in client.networks:
                self._clients.add(network, client)

    def find(self, address: bytes) -> Client | None:
        """The client that ``address`` (4 or 16 bytes, network order) belongs to."""
        found = self._clients.covering(address)
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class ClientEntry:
    """One client as the configuration names it; ``line`` is where, for messages."""

    name: str
    networks: tuple[Network, ...]
    secret_file: Path
    line: int | None = None


def load_clients(entries: Iterable[ClientEntry], file: str, findings: Findings) -> tuple[Client, ...]:
    """Read every client's secret.

    Problems go to ``findings``, under the configuration ``file`` and the client's line or under the secret's own
    file, and the client they concern is left out. A secret shorter than the 16 octets that RFC 2865 §3 advises
    is a notice.
    """
    clients: list[Client] = []
    names: set[str] = set()
    owners: dict[Network, str] = {}
    for entry in entries:
        found = len(findings.problems)
        where = f"radius.clients.{entry.name}"
        if not _NAME.fullmatch(entry.name) or entry.name == UNKNOWN:
            told = f"expected 1 to 40 of the characters A-Z a-z 0-9 . _ - and not the name '{UNKNOWN}'"
            findings.problem(file, entry.line, "radius.clients.name", entry.name, told)
        if entry.name in names:
            findings.problem(file, entry.line, where, None, "two clients have this name: give each its own")
        names.add(entry.name)
        if not entry.networks:
            findings.problem(file, entry.line, where, None, "has no address: expected prefixes it sends from")
        for network in dict.fromkeys(entry.networks):
            owner = owners.setdefault(network, entry.name)
            if owner != entry.name:
                told = f"is also the prefix of client {owner}: one sender has one secret; keep it in one of them"
                findings.problem(file, entry.line, where, str(network), told)
        try:
            secret = load_secret(entry.secret_file)
        except ValueError as error:
            findings.fatal(str(entry.secret_file), None, str(error))
            continue
        if len(secret) < _STRONG_BYTES:
            told = (
                f"the secret has {len(secret)} octets: RFC 2865 §3 advises at least {_STRONG_BYTES}, for a short "
                "one can be guessed by who sees one packet; change it here and at the access server"
            )
            findings.notice(str(entry.secret_file), None, None, told)
        if len(findings.problems) == found:
            clients.append(Client(entry.name, entry.networks, secret))
    return tuple(clients)


def load_secret(path: Path) -> bytes:
    """The shared secret: the file's content without the line end that editors add.

    Raises ValueError, whose text tells what to do and never what the file holds, when it is missing or
    unreadable, not a regular file, not owned by root or the running user, open to group or others, empty, longer
    than 256 octets or of several lines.
    """
    create = f"create it: install -m 600 /dev/null {path}, then write the access server's secret into it"
    return read_secret_line(path, "secret", create, _MOST_BYTES)
