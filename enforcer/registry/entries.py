"""A row to a registration or a revocation, with everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import tzinfo
from functools import lru_cache
from typing import NamedTuple

from enforcer.fingerprints.detection import Family
from enforcer.problems import Findings
from enforcer.registry.characters import foreign_character
from enforcer.registry.dates import parse_end, parse_start
from enforcer.registry.guards import (
    breadth_warning,
    parse_peer_network,
    parse_subscriber_network,
)
from enforcer.registry.model import HolderKind, Network, Registration, Revocation
from enforcer.registry.rows import Row
from enforcer.subscribers.number import Tagger, masked, normalise, redact, redact_word

ID_LENGTH = 64
ID = re.compile(r"[!-~]{1,64}")
IDENTITY_CARD = re.compile(r"^\d{5}-\d{7}-\d$", re.ASCII | re.MULTILINE)
NOTE_LENGTH = 500
_NOT_DIGITS = re.compile(r"[^0-9]")
_SEPARATORS = re.compile(r"[\s,;]+")
_OF_REGISTRATIONS = ("id", "holder", "address", "number", "valid_from", "valid_to", "protocols", "peers")
_OF_REVOCATIONS = ("reason", "notice_date", "effective_date")
_FAMILIES = {family.value: family for family in Family}
_SHOWN_LENGTH = 80


class Revoked(NamedTuple):
    """A revocation on its way to the entry it names."""

    row: Row
    id: str
    revocation: Revocation


class Interpreter:
    """Turns rows into entries. One for a load: it remembers what it parsed before.

    ``region`` (ISO 3166-1 alpha-2) is where local numbers belong, ``timezone`` where days begin and end.
    Without a ``tagger`` rows with a number are problems.
    """

    def __init__(self, region: str, timezone: tzinfo, tagger: Tagger | None, findings: Findings) -> None:
        self._region = region
        self._timezone = timezone
        self._tagger = tagger
        self._findings = findings
        self._families = lru_cache(maxsize=1024)(_families)
        self._peers = lru_cache(maxsize=1024)(_peers)

    def registration(self, row: Row) -> Registration | None:
        """The registration, or None with every problem recorded."""
        cells = row.cells
        found = len(self._findings.problems)
        for column in _OF_REVOCATIONS:
            if column in cells:
                self._problem(row, column, "only for revocations: clear it, or name the entry in 'revokes'")
        id = self._id(row, "id")
        kind = self._kind(row)
        network, tags = self._identity(row, kind)
        valid_from = self._date(row, "valid_from", parse_start)
        valid_to = self._date(row, "valid_to", parse_end)
        if valid_from is not None and valid_to is not None and valid_to <= valid_from:
            self._problem(row, "valid_to", f"ends before it begins: valid_from is {cells['valid_from']}")
        protocols = self._list_of_families(row)
        peers = self._list_of_peers(row)
        note = self._text(row, "note")
        if id is None or kind is None or len(self._findings.problems) > found:
            return None
        source = f"{row.file}:{row.line}"
        return Registration(
            id, kind, network, tags[0] if tags else None, valid_from, valid_to, protocols, peers, note, source,
            former_tags=tags[1:],
        )  # fmt: skip

    def revocation(self, row: Row) -> Revoked | None:
        """The revocation, or None with every problem recorded."""
        cells = row.cells
        found = len(self._findings.problems)
        for column in _OF_REGISTRATIONS:
            if column in cells:
                self._problem(row, column, "must be empty in a row that revokes another")
        for column in _OF_REVOCATIONS:
            if column not in cells:
                self._missing(row, column, "a revocation needs its reason, its notice date and its effective date")
        id = self._id(row, "revokes")
        reason = self._text(row, "reason")
        notice_at = self._date(row, "notice_date", parse_start)
        effective_at = self._date(row, "effective_date", parse_start)
        if notice_at is not None and effective_at is not None and effective_at < notice_at:
            self._problem(
                row, "effective_date", f"takes effect before its notice: notice_date is {cells['notice_date']}"
            )
        if id is None or notice_at is None or effective_at is None or len(self._findings.problems) > found:
            return None
        return Revoked(row, id, Revocation(reason, notice_at, effective_at, f"{row.file}:{row.line}"))

    def _id(self, row: Row, column: str) -> str | None:
        text = row.cells.get(column)
        if text is None:
            self._missing(row, column, "every entry needs its own")
            return None
        if not text.isascii():
            self._problem(row, column, foreign_character(text))
        elif not ID.fullmatch(text):
            self._problem(row, column, "expected 1 to 64 characters without blanks")
        elif IDENTITY_CARD.fullmatch(text):
            self._problem(
                row, column, "has the form of an identity card number: give the entry an id of its own",
                masked(text),
            )  # fmt: skip
        return text

    def _kind(self, row: Row) -> HolderKind | None:
        text = row.cells.get("holder")
        if text is None:
            self._missing(row, "holder", "expected 'company' or 'freelancer'")
            return None
        folded = text.lower()
        if folded == "company":
            return HolderKind.COMPANY
        if folded == "freelancer":
            return HolderKind.FREELANCER
        self._problem(row, "holder", "expected 'company' or 'freelancer', the kind of holder, not who it is")
        return None

    def _identity(self, row: Row, kind: HolderKind | None) -> tuple[Network | None, tuple[bytes, ...]]:
        address = row.cells.get("address")
        number = row.cells.get("number")
        network: Network | None = None
        tags: tuple[bytes, ...] = ()
        if address is not None:
            network = self._network(row, address)
        if number is not None:
            tags = self._number(row, number)
        if address is not None and number is not None:
            self._problem(row, "number", "both an address and a number: expected one; make two entries of it")
        elif address is None and number is None:
            self._missing(row, "address", "neither an address nor a number: expected one of them")
        elif kind is HolderKind.COMPANY and address is None:
            self._problem(row, "number", "a company registers static addresses, not numbers: give its address")
        elif kind is HolderKind.FREELANCER and number is None:
            self._problem(
                row, "address",
                "a freelancer registers a mobile number, not an address: give the number",
            )  # fmt: skip
        return network, tags

    def _network(self, row: Row, text: str) -> Network | None:
        try:
            network = parse_subscriber_network(text)
        except ValueError as error:
            self._problem(row, "address", str(error))
            return None
        warning = breadth_warning(network)
        if warning is not None:
            self._findings.notice(row.file, row.line_of("address"), "address", warning)
        return network

    def _number(self, row: Row, text: str) -> tuple[bytes, ...]:
        if self._tagger is None:
            self._problem(row, "number", "numbers cannot be used without a key file: configure one")
            return ()
        try:
            e164 = normalise(text, self._region)
        except ValueError as error:
            self._problem(row, "number", str(error))
            return ()
        id = row.cells.get("id", "")
        if is_number(id, e164):
            self._problem(row, "id", "is the number itself: give the entry an id of its own", masked(id))
        return (self._tagger.tag(e164), *self._tagger.former_tags(e164))

    def _date(self, row: Row, column: str, parse: Callable[[str, tzinfo], float]) -> float | None:
        text = row.cells.get(column)
        if text is None:
            return None
        try:
            return parse(text, self._timezone)
        except ValueError as error:
            self._problem(row, column, str(error))
            return None

    def conditions(self, protocols: str, peers: str) -> tuple[frozenset[Family], tuple[Network, ...]]:
        """The two cells' protocols and peers. Raises ValueError when one cannot be read."""
        return self._families(protocols), self._peers(peers)

    def _list_of_families(self, row: Row) -> frozenset[Family]:
        try:
            return self._families(row.cells.get("protocols", ""))
        except ValueError as error:
            self._problem(row, "protocols", str(error))
            return frozenset()

    def _list_of_peers(self, row: Row) -> tuple[Network, ...]:
        try:
            return self._peers(row.cells.get("peers", ""))
        except ValueError as error:
            self._problem(row, "peers", str(error))
            return ()

    def _text(self, row: Row, column: str) -> str:
        """Free text, with anything like a telephone or identity number masked."""
        text = row.cells.get(column, "")
        if not text:
            return text
        if len(text) > NOTE_LENGTH:
            self._problem(row, column, f"{len(text)} characters: expected at most {NOTE_LENGTH}")
        clean = redact(text)
        if clean != text:
            self._findings.notice(
                row.file, row.line_of(column), column,
                "what looks like a telephone or identity number in it was masked; best remove it",
            )  # fmt: skip
        return clean

    def _missing(self, row: Row, column: str, message: str) -> None:
        self._findings.problem(row.file, row.line, column, None, f"is missing: {message}")

    def _problem(self, row: Row, column: str, message: str, value: str | None = None) -> None:
        if value is None:
            value = _shown(column, row.cells[column])
        self._findings.problem(row.file, row.line_of(column), column, value, message)


def is_number(id: str, e164: str) -> bool:
    """Whether an id is the number in it, however it is written."""
    return id[-2:] == e164[-2:] and _NOT_DIGITS.sub("", id)[-9:] == e164[-9:]


def _shown(column: str, text: str) -> str:
    """A cell as it may appear in a message."""
    if column == "number":
        return masked(text)
    if column not in ("id", "revokes"):
        text = redact(text)
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def _families(text: str) -> frozenset[Family]:
    families: set[Family] = set()
    for word in _SEPARATORS.split(text):
        if not word:
            continue
        family = _FAMILIES.get(word.lower())
        if family is None:
            raise ValueError(
                f"unknown protocol '{redact_word(word, text)}': expected one or more of {', '.join(_FAMILIES)}"
            )
        families.add(family)
    return frozenset(families)


def _peers(text: str) -> tuple[Network, ...]:
    networks: list[Network] = []
    for word in _SEPARATORS.split(text):
        if not word:
            continue
        try:
            networks.append(parse_peer_network(word))
        except ValueError as error:
            raise ValueError(f"peer '{redact_word(word, text)}': {error}") from None
    return tuple(networks)
