"""Every error of a field: its file, line, column, value and wording, the same from CSV and YAML."""

from __future__ import annotations

import pytest

from enforcer.problems import Problem
from tests.unit.registry.lists import (
    FREELANCER,
    GOOD,
    REVOKES,
    Write,
    csv,
    only,
    read,
    row,
)

# Errors of one row: the bad field of a row that is otherwise good, the column, the value shown, the wording.

FIELD_ERRORS: list[tuple[dict[str, str], str, str | None, str]] = [
    ({**GOOD, "id": ""}, "id", None, "is missing: every entry needs its own"),
    ({**GOOD, "id": "C 1"}, "id", "C 1", "expected 1 to 64 characters without blanks"),
    (
        {**GOOD, "id": "C-\u0661"}, "id", "C-\u0661",
        "the character U+0661 (ARABIC-INDIC DIGIT ONE) is not allowed here: expected ASCII only",
    ),
    ({**GOOD, "id": "42201-1234567-1"}, "id", "…71", "has the form of an identity card number: "
        "give the entry an id of its own"),
    ({**FREELANCER, "id": "+923001234567"}, "id", "…67", "is the number itself: give the entry an id of its own"),
    ({**FREELANCER, "id": "0300-1234567"}, "id", "…67", "is the number itself: give the entry an id of its own"),
    ({**GOOD, "holder": ""}, "holder", None, "is missing: expected 'company' or 'freelancer'"),
    (
        {**GOOD, "holder": "person"}, "holder", "person",
        "expected 'company' or 'freelancer', the kind of holder, not who it is",
    ),
    ({**GOOD, "address": ""}, "address", None,
        "is missing: neither an address nor a number: expected one of them"),
    (
        {**GOOD, "number": "0300 1234567"}, "number", "…67",
        "both an address and a number: expected one; make two entries of it",
    ),
    (
        {**FREELANCER, "holder": "company"}, "number", "…67",
        "a company registers static addresses, not numbers: give its address",
    ),
    (
        {**GOOD, "holder": "freelancer"}, "address", "198.51.100.7",
        "a freelancer registers a mobile number, not an address: give the number",
    ),
    (
        {**GOOD, "address": "198.51.100.300"}, "address", "198.51.100.300",
        "not an address: expected IPv4 or IPv6, as in 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48",
    ),
    (
        {**GOOD, "address": "03001234567"}, "address", "…67",
        "not an address: expected IPv4 or IPv6, as in 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48",
    ),
    (
        {**GOOD, "address": "198.51.100.7/24"}, "address", "198.51.100.7/24",
        "host bits are set: write 198.51.100.0/24 for the whole prefix, or 198.51.100.7 for the one address",
    ),
    (
        {**GOOD, "address": "2001:db8::1/48"}, "address", "2001:db8::1/48",
        "host bits are set: write 2001:db8::/48 for the whole prefix, or 2001:db8::1 for the one address",
    ),
    (
        {**GOOD, "address": "198.51.100.0/255.255.255.0"}, "address", "198.51.100.0/255.255.255.0",
        "expected a prefix length after '/', as in 192.0.2.0/24; a netmask is not understood",
    ),
    (
        {**GOOD, "address": "198.051.100.7"}, "address", "198.051.100.7",
        "an octet has a leading zero, which some read as octal: write it without",
    ),
    (
        {**GOOD, "address": "2001:db8::1%eth0"}, "address", "2001:db8::1%eth0",
        "an address with a zone index is local to one machine: expected a global address",
    ),
    (
        {**GOOD, "address": "::ffff:198.51.100.7"}, "address", "::ffff:198.51.100.7",
        "an IPv4-mapped IPv6 address: write the IPv4 address, as in 198.51.100.7",
    ),
    (
        {**GOOD, "address": "198.51.100.\u0667"}, "address", "198.51.100.\u0667",
        "the character U+0667 (ARABIC-INDIC DIGIT SEVEN) is not allowed here: expected ASCII only",
    ),
    (
        {**GOOD, "address": "0.0.0.0/0"}, "address", "0.0.0.0/0",
        "the prefix is too broad: /8 is the shortest accepted for IPv4; list the holder's own prefixes",
    ),
    (
        {**GOOD, "address": "12.0.0.0/7"}, "address", "12.0.0.0/7",
        "the prefix is too broad: /8 is the shortest accepted for IPv4; list the holder's own prefixes",
    ),
    (
        {**GOOD, "address": "::/0"}, "address", "::/0",
        "the prefix is too broad: /16 is the shortest accepted for IPv6; list the holder's own prefixes",
    ),
    (
        {**GOOD, "address": "127.0.0.1"}, "address", "127.0.0.1",
        "127.0.0.0/8 is loopback (RFC 6890 §2.2.2): no subscriber can hold it",
    ),
    (
        {**GOOD, "address": "fe80::1"}, "address", "fe80::1",
        "fe80::/10 is link-local (RFC 6890 §2.2.3): no subscriber can hold it",
    ),
    (
        {**GOOD, "address": "ff0e::/16"}, "address", "ff0e::/16",
        "ff00::/8 is multicast (RFC 4291 §2.7): no subscriber can hold it",
    ),
    (
        {**FREELANCER, "number": "0300 12345"}, "number", "…45",
        "…45 is not a valid number: expected international form (+, country code, number) "
        "or a local form of region PK",
    ),
    (
        {**FREELANCER, "number": "021 34567890"}, "number", "…90",
        "…90 is not a mobile number but of the kind 'fixed line': only mobile numbers register",
    ),
    (
        {**FREELANCER, "number": "0300 12345\u0666\u0667"}, "number", "…\u0666\u0667",
        "…\u0666\u0667 has the character U+0666 (ARABIC-INDIC DIGIT SIX): "
        "write a number with the digits 0 to 9, in ASCII",
    ),
    (
        {**FREELANCER, "number": "call 0300 1234567"}, "number", "…67",
        "…67 is not written as a number: expected digits, perhaps a leading +, "
        "and only spaces, hyphens, points or parentheses between them",
    ),
    (
        {**GOOD, "valid_from": "01/02/2026"}, "valid_from", "01/02/2026",
        "expected a day (YYYY-MM-DD) or an RFC 3339 date-time with its offset (2025-07-01T09:00:00+05:00)",
    ),
    ({**GOOD, "valid_from": "2026-02-30"}, "valid_from", "2026-02-30",
        "no such day: day is out of range for month"),
    (
        {**GOOD, "valid_to": "2026-02-03T25:00:00Z"}, "valid_to", "2026-02-03T25:00:00Z",
        "no such date-time: hour must be in 0..23",
    ),
    (
        {**GOOD, "valid_to": "2026-02-03T10:00:00"}, "valid_to", "2026-02-03T10:00:00",
        "the date-time has no offset: write it with Z or +HH:MM at its end",
    ),
    (
        {**GOOD, "valid_to": "9999-12-31"}, "valid_to", "9999-12-31",
        "the year is not between 1970 and 9998: leave the field empty for no limit",
    ),
    (
        {**GOOD, "valid_to": "\uff12026-01-01"}, "valid_to", "\uff12026-01-01",
        "the character U+FF12 (FULLWIDTH DIGIT TWO) is not allowed here: expected ASCII only",
    ),
    (
        {**GOOD, "valid_from": "2026-02-02", "valid_to": "2026-02-01"}, "valid_to", "2026-02-01",
        "ends before it begins: valid_from is 2026-02-02",
    ),
    (
        {**GOOD, "protocols": "wireguard pptp"}, "protocols", "wireguard pptp",
        "unknown protocol 'pptp': expected one or more of wireguard, openvpn, ipsec",
    ),
    (
        {**GOOD, "peers": "192.0.2.1; 192.0.2.1/24"}, "peers", "192.0.2.1; 192.0.2.1/24",
        "peer '192.0.2.1/24': host bits are set: write 192.0.2.0/24 for the whole prefix, "
        "or 192.0.2.1 for the one address",
    ),
    (
        {**GOOD, "peers": "0.0.0.0/0"}, "peers", "0.0.0.0/0",
        "peer '0.0.0.0/0': every address is in this prefix: leave peers empty for no condition",
    ),
    ({**GOOD, "note": "x" * 501}, "note", "x" * 79 + "…", "501 characters: expected at most 500"),
    ({**GOOD, "reason": "gone"}, "reason", "gone",
        "only for revocations: clear it, or name the entry in 'revokes'"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "column", "value", "message"), FIELD_ERRORS)
def test_an_error_in_a_field(
    write: Write, fields: dict[str, str], column: str, value: str | None, message: str
) -> None:
    neighbour = row(id="other", holder="company", address="203.0.113.9")
    path = write(csv(neighbour, row(**fields)))
    assert only(read(path)) == Problem(str(path), 3, column, value, message)
    lenient = read(path, lenient=True)
    assert [entry.id for entry in lenient.registrations] == ["other"]
    assert not lenient.refused
    yaml = "registrations:\n- {id: other, holder: company, address: 203.0.113.9}\n- \n" + "".join(
        f"  {name}: '{cell}'\n" for name, cell in fields.items() if cell
    )
    problem = only(read(write(yaml, "list.yaml")))
    lines = [name for name, cell in fields.items() if cell]
    line = lines.index(column) + 4 if column in lines else 4
    assert (problem.line, problem.column, problem.value, problem.message) == (line, column, value, message)


NEEDS = "is missing: a revocation needs its reason, its notice date and its effective date"


@pytest.mark.parametrize(
    ("fields", "column", "value", "message"),
    [
        ({**REVOKES, "reason": ""}, "reason", None, NEEDS),
        ({**REVOKES, "notice_date": ""}, "notice_date", None, NEEDS),
        ({**REVOKES, "effective_date": ""}, "effective_date", None, NEEDS),
        (
            {**REVOKES, "effective_date": "2025-12-31"}, "effective_date", "2025-12-31",
            "takes effect before its notice: notice_date is 2026-01-01",
        ),
        ({**REVOKES, "id": "C-9"}, "id", "C-9", "must be empty in a row that revokes another"),
        (
            {**REVOKES, "revokes": "C-9"}, "revokes", "C-9",
            "no entry has this id: keep the row of the revoked entry in the list beside this one",
        ),
    ],
)  # fmt: skip
def test_an_error_in_a_revocation(
    write: Write, fields: dict[str, str], column: str, value: str | None, message: str
) -> None:
    path = write(csv(row(**GOOD), row(**fields)))
    assert only(read(path)) == Problem(str(path), 3, column, value, message)
    (entry,) = read(path, lenient=True).registrations
    assert entry.revocation is None, "a bad revocation errs on the holder's side"


def test_a_second_revocation_of_one_entry(write: Write) -> None:
    path = write(csv(row(**GOOD), row(**REVOKES), row(**REVOKES)))
    expected = f"is already revoked in {path}:3: keep one of the two rows"
    assert only(read(path)) == Problem(str(path), 4, "revokes", "C-1", expected)


def test_revoking_an_entry_whose_own_row_is_bad_is_no_second_error(write: Write) -> None:
    path = write(csv(row(**{**GOOD, "address": "nowhere"}), row(**REVOKES)))
    assert only(read(path)).column == "address"
