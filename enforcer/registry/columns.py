"""Which fields a file may have, which are never read, and what was probably meant by others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

_WORDS = re.compile(r"[^\W_]+")
_IDENTITY_WORDS = frozenset({
    "cnic", "nic", "snic", "nicop", "poc", "passport", "identity", "licence", "license", "ssn", "imsi", "imei",
    "iccid", "ntn", "strn", "tax", "taxpayer", "tin", "vat", "iban", "name", "names", "firstname", "lastname",
    "surname", "fullname", "fathername", "father", "mother", "husband", "spouse", "person", "owner", "dob",
    "birth", "birthdate", "birthday", "born", "gender", "sex", "religion", "nationality", "contact", "email",
    "mail", "phone", "telephone", "tel", "mobile", "cell", "fax", "home", "street", "city", "postal", "postcode",
    "residence", "residential",
})  # fmt: skip
_IDENTITY_STEMS = ("cnic", "passport", "birth", "email", "taxno", "taxid", "ntnno")


@dataclass(frozen=True, slots=True)
class Columns:
    """The fields of one kind of file.

    ``synonyms`` maps words operators use to the field they mean. ``layouts`` are the headers that make sense,
    the usual one first: each names groups of fields, one field of each group being needed.
    """

    known: tuple[str, ...]
    synonyms: Mapping[str, str]
    layouts: tuple[tuple[tuple[str, ...], ...], ...]

    def canonical(self, header: str) -> str:
        """A header cell as a field name: lower case, blanks and hyphens as underscores."""
        return header.strip().lower().replace(" ", "_").replace("-", "_")

    def missing(self, present: frozenset[str]) -> str | None:
        """What the usual header has and this one lacks, as text; None when it fits some layout."""
        lacking = [[group for group in layout if present.isdisjoint(group)] for layout in self.layouts]
        if not all(lacking):
            return None
        return ", ".join(" or ".join(f"'{name}'" for name in group) for group in lacking[0])

    def is_identity(self, name: str) -> bool:
        """Whether a field that is none of ours looks like identity papers, names or contacts: never read."""
        if name in self.synonyms:
            return False
        words = _WORDS.findall(name)
        joined = "".join(words)
        return any(word in _IDENTITY_WORDS for word in words) or any(stem in joined for stem in _IDENTITY_STEMS)

    def unknown_message(self, name: str) -> str:
        """What to tell of a field that is none of ours, with the nearest that is."""
        meant = self.synonyms.get(name)
        if meant is None:
            close = get_close_matches(name, self.known, n=1, cutoff=0.6)
            meant = close[0] if close else None
        hint = f"did you mean '{meant}'? " if meant else ""
        return f"unknown column '{name}': {hint}known columns are {', '.join(self.known)}"


IDENTITY_MESSAGE = "is not read: identity papers, names and contacts are not needed here; best remove the column"

REGISTRATION = Columns(
    known=(
        "id", "holder", "address", "number", "valid_from", "valid_to", "protocols", "peers", "note",
        "revokes", "reason", "notice_date", "effective_date",
    ),
    synonyms={
        "ip": "address", "ip_address": "address", "prefix": "address", "network": "address", "subnet": "address",
        "cidr": "address", "phone": "number", "phone_number": "number", "mobile": "number",
        "mobile_number": "number", "msisdn": "number", "telephone": "number", "kind": "holder", "type": "holder",
        "holder_kind": "holder", "category": "holder", "from": "valid_from", "start": "valid_from",
        "start_date": "valid_from", "issued": "valid_from", "to": "valid_to", "until": "valid_to",
        "end": "valid_to", "end_date": "valid_to", "expires": "valid_to", "expiry": "valid_to",
        "protocol": "protocols", "vpn": "protocols", "remote": "peers", "remotes": "peers", "peer": "peers",
        "servers": "peers", "comment": "note", "comments": "note", "remarks": "note", "revoke": "revokes",
        "revoked": "revokes", "notice": "notice_date", "effective": "effective_date",
    },
    layouts=(
        (("id",), ("holder",), ("address", "number")),
        (("revokes",), ("reason",), ("notice_date",), ("effective_date",)),
    ),
)  # fmt: skip
