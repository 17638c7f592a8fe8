"""Sessions from a file, for gateways without a live feed, and for replay.

CSV as the registry's (header, ``,`` or ``;``, UTF-8) with the columns ``address`` (addresses and prefixes of the
one session, separated by blanks), ``number`` (may be empty), ``heard_at`` (RFC 3339 with offset) and,
optionally, ``nas``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from enforcer.problems import Findings, Notice, Problem
from enforcer.registry.columns import Columns
from enforcer.registry.csv_rows import read_rows
from enforcer.registry.dates import parse_instant
from enforcer.registry.files import read_file
from enforcer.registry.guards import parse_subscriber_network
from enforcer.registry.model import Network
from enforcer.registry.rows import Row
from enforcer.subscribers.number import Tagger, masked, normalise, redact
from enforcer.subscribers.table import Session

COLUMNS = Columns(
    known=("address", "number", "nas", "heard_at"),
    synonyms={
        "ip": "address", "ip_address": "address", "addresses": "address", "prefix": "address",
        "framed_ip_address": "address", "phone": "number", "phone_number": "number", "mobile": "number",
        "mobile_number": "number", "msisdn": "number", "telephone": "number", "calling_station_id": "number",
        "nas_ip": "nas", "nas_identifier": "nas", "time": "heard_at", "timestamp": "heard_at", "heard": "heard_at",
        "last_heard": "heard_at", "last_seen": "heard_at",
    },
    layouts=((("address",), ("number",), ("heard_at",)),),
)  # fmt: skip

_SEPARATORS = re.compile(r"[\s,;]+")
_NAS = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True)
class SessionsResult:
    """The sessions, and everything there is to say about the file.

    When ``refused`` the file must not be used and ``sessions`` is empty.
    """

    sessions: list[Session]
    problems: list[Problem]
    notices: list[Notice]
    refused: bool


def load_sessions(path: Path, region: str, tagger: Tagger | None, lenient: bool) -> SessionsResult:
    """Read a sessions file; errors are collected, never raised.

    ``region`` is where local numbers belong (ISO 3166-1 alpha-2); numbers are tagged here and dropped. One
    problem refuses the file whole; when ``lenient`` only rows with problems are left out.
    """
    findings = Findings()
    sessions: list[Session] = []
    data = read_file(path, findings)
    if data is not None:
        for row in read_rows(data, str(path), COLUMNS, findings):
            session = None if row.bad else _session(row, region, tagger, findings)
            if session is not None:
                sessions.append(session)
        if not sessions and not findings.problems:
            findings.notice(str(path), None, None, "the file has no session: nobody can be told apart")
    refused = any(problem.fatal or not lenient for problem in findings.problems)
    return SessionsResult([] if refused else sessions, findings.problems, findings.notices, refused)


def _session(row: Row, region: str, tagger: Tagger | None, findings: Findings) -> Session | None:
    found = len(findings.problems)
    addresses = _addresses(row, findings)
    tag = _tag(row, region, tagger, findings)
    heard_at = _heard_at(row, findings)
    nas = row.cells.get("nas")
    if nas is not None and not _NAS.fullmatch(nas):
        _problem(row, "nas", redact(nas), "expected 1 to 64 ASCII characters without blanks", findings)
    if heard_at is None or len(findings.problems) > found:
        return None
    return Session(f"{row.file}:{row.line}", addresses, tag, heard_at, nas)


def _addresses(row: Row, findings: Findings) -> tuple[Network, ...]:
    text = row.cells.get("address")
    if text is None:
        _problem(row, "address", None, "is missing: expected the addresses and prefixes of the session", findings)
        return ()
    if redact(text) != text:
        _problem(
            row, "address", redact(text), "has what looks like a number in it: expected only addresses", findings
        )
        return ()
    networks: list[Network] = []
    for word in _SEPARATORS.split(text):
        try:
            networks.append(parse_subscriber_network(word))
        except ValueError as error:
            _problem(row, "address", word, str(error), findings)
    return tuple(networks)


def _tag(row: Row, region: str, tagger: Tagger | None, findings: Findings) -> bytes | None:
    text = row.cells.get("number")
    if text is None:
        return None
    if tagger is None:
        told = "numbers cannot be used without a key file: configure one"
        _problem(row, "number", masked(text), told, findings)
        return None
    try:
        return tagger.tag(normalise(text, region))
    except ValueError as error:
        _problem(row, "number", masked(text), str(error), findings)
        return None


def _heard_at(row: Row, findings: Findings) -> float | None:
    text = row.cells.get("heard_at")
    if text is None:
        _problem(row, "heard_at", None, "is missing: expected when the session was last heard of", findings)
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        _problem(row, "heard_at", redact(text), str(error), findings)
        return None


def _problem(row: Row, column: str, value: str | None, message: str, findings: Findings) -> None:
    findings.problem(row.file, row.line, column, value, message)
