"""The list's files: what a good one says, and every error with its file, line, column, value and wording."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from enforcer.fingerprints.detection import Family
from enforcer.problems import Problem
from enforcer.registry.load import LoadResult, load
from enforcer.registry.model import HolderKind, Registration, Status
from enforcer.subscribers.number import Tagger

KARACHI = ZoneInfo("Asia/Karachi")
TAGGER = Tagger(bytes(range(32)))
EXAMPLES = Path(__file__).parents[3] / "config"
HEADER = (
    "id,holder,address,number,valid_from,valid_to,protocols,peers,note,revokes,reason,notice_date,effective_date"
)
GOOD = {"id": "C-1", "holder": "company", "address": "198.51.100.7"}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "list.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def row(**fields: str) -> str:
    cells = {**fields}
    text = [cells.pop(name, "") for name in HEADER.split(",")]
    assert not cells
    return ",".join(f'"{cell}"' if "," in cell or '"' in cell else cell for cell in text)


def csv(*rows: str) -> str:
    return "\n".join((HEADER, *rows)) + "\n"


def read(*paths: Path, lenient: bool = False, tagger: Tagger | None = TAGGER) -> LoadResult:
    return load(paths, "PK", KARACHI, tagger, lenient)


def only(result: LoadResult) -> Problem:
    assert [str(problem) for problem in result.problems] == [str(result.problems[0])]
    assert result.refused
    assert result.registrations == []
    return result.problems[0]


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


# What a good list says.


def test_the_examples_load_and_csv_and_yaml_say_the_same() -> None:
    lists = [read(EXAMPLES / f"registry.example.{kind}") for kind in ("csv", "yaml")]
    for result in lists:
        assert [*map(str, result.problems), *map(str, result.notices)] == []
        assert not result.refused

    def facts(registration: Registration) -> tuple[object, ...]:
        revocation = registration.revocation
        return (
            registration.id, registration.kind, registration.network, registration.tag,
            registration.valid_from, registration.valid_to, registration.protocols, registration.peers,
            registration.note, revocation and (revocation.reason, revocation.notice_at, revocation.effective_at),
        )  # fmt: skip

    csv_list, yaml_list = (list(map(facts, result.registrations)) for result in lists)
    assert csv_list == yaml_list
    assert len(csv_list) == 5


def test_every_field_of_a_company(write: Write) -> None:
    path = write(
        csv(
            row(
                id="C-1", holder="Company", address="2001:db8:1::/48", valid_from="2026-01-01",
                valid_to="2026-12-31", protocols="wireguard;ipsec", peers="192.0.2.1 2001:db8::/32", note="é",
            ),
            row(revokes="C-1", reason="fraud", notice_date="2026-02-01", effective_date="2026-02-01"),
        )
    )  # fmt: skip
    (entry,) = read(path).registrations
    assert entry.id == "C-1"
    assert entry.kind is HolderKind.COMPANY
    assert entry.network == ip_network("2001:db8:1::/48")
    assert entry.tag is None
    assert entry.valid_from == at("2026-01-01T00:00:00+05:00")
    assert entry.valid_to == at("2027-01-01T00:00:00+05:00")
    assert entry.protocols == {Family.WIREGUARD, Family.IPSEC}
    assert entry.peers == (ip_network("192.0.2.1/32"), ip_network("2001:db8::/32"))
    assert entry.note == "é"
    assert entry.source == f"{path}:2"
    assert entry.revocation is not None
    assert entry.revocation.reason == "fraud"
    assert entry.revocation.effective_at == entry.revocation.notice_at == at("2026-02-01T00:00:00+05:00")
    assert entry.revocation.source == f"{path}:3"


def test_a_freelancers_number_becomes_its_tag(write: Write) -> None:
    (entry,) = read(write(csv(row(id="F-1", holder="freelancer", number="0300 1234567")))).registrations
    assert entry.kind is HolderKind.FREELANCER
    assert entry.network is None
    assert entry.tag == TAGGER.tag("+923001234567")
    assert (entry.valid_from, entry.valid_to, entry.unconditional) == (None, None, True)


def test_the_last_day_is_included_and_a_moment_is_itself(write: Write) -> None:
    path = write(
        csv(
            row(**GOOD, valid_to="2026-06-30"),
            row(id="C-2", holder="company", address="198.51.100.8", valid_to="2026-06-30T12:00:00Z"),
        )
    )
    day, moment = read(path).registrations
    last = at("2026-06-30T23:59:59+05:00")
    assert day.status(last, 0) is Status.CURRENT
    assert day.status(last + 1, 0) is Status.ENDED
    assert moment.valid_to == datetime(2026, 6, 30, 12, tzinfo=UTC).timestamp()


def test_days_follow_the_time_zone_through_summer_time(write: Write) -> None:
    path = write(csv(row(**GOOD, valid_from="2026-03-29", valid_to="2026-03-29")))
    (entry,) = load([path], "PK", ZoneInfo("Europe/Berlin"), TAGGER, False).registrations
    assert entry.valid_from is not None
    assert entry.valid_to is not None
    assert entry.valid_to - entry.valid_from == 23 * 3600


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfid,holder,address\nC-1,company,198.51.100.7\n",
        b"id;holder;address\r\nC-1;company;198.51.100.7\r\n",
        b"# a comment\n\n ID , Holder,Address\n\n#another\n,,\n C-1 ,company,198.51.100.7",
        b'"id","holder","address"\r"C-1","company","198.51.100.7"\r',
    ],
    ids=["byte order mark", "semicolons and CRLF", "comments and blanks", "quotes and CR"],
)
def test_ways_to_write_the_same_csv(write: Write, content: bytes) -> None:
    result = read(write(content))
    assert result.problems == []
    assert [entry.id for entry in result.registrations] == ["C-1"]


def test_formulas_are_text(write: Write) -> None:
    result = read(write(csv(row(**GOOD, note='=HYPERLINK("x")').replace('"x"', '""x""'))))
    assert result.problems == []
    assert result.registrations[0].note == '=HYPERLINK("x")'


def test_several_files_are_one_list(write: Write) -> None:
    one = write(csv(row(**GOOD)), "one.csv")
    two = write(
        "registrations:\n- {revokes: C-1, reason: r, notice_date: 2026-01-01, effective_date: 2026-01-02}\n",
        "two.yaml",
    )
    (entry,) = read(one, two).registrations
    assert entry.revocation is not None
    assert entry.revocation.source == f"{two}:2"


def test_a_file_of_revocations_needs_only_their_columns(write: Write) -> None:
    one = write("id,holder,address\nC-1,company,198.51.100.7\n", "one.csv")
    two = write("revokes,reason,notice_date,effective_date\nC-1,r,2026-01-01,2026-01-02\n", "two.csv")
    result = read(one, two)
    assert result.problems == []
    assert result.registrations[0].revocation is not None


# Errors of one row: the bad field of a row that is otherwise good, the column, the value shown, the wording.

FREELANCER = {"id": "F-1", "holder": "freelancer", "number": "0300 1234567"}
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


REVOKES = {"revokes": "C-1", "reason": "fraud", "notice_date": "2026-01-01", "effective_date": "2026-02-01"}
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


# Errors between rows.


def test_a_duplicate_id_names_both_lines(write: Write) -> None:
    path = write(csv(row(**GOOD), row(**{**GOOD, "address": "203.0.113.9"})))
    expected = f"already stands in {path}:2: extend that entry, or give this one an id of its own"
    assert only(read(path)) == Problem(str(path), 3, "id", "C-1", expected)


def test_a_duplicate_id_across_files_names_both(write: Write) -> None:
    one = write(csv(row(**GOOD)), "one.csv")
    two = write(csv(row(**{**GOOD, "address": "203.0.113.9"})), "two.csv")
    problem = only(read(one, two))
    assert problem.file == str(two)
    assert f"{one}:2" in problem.message


@pytest.mark.parametrize(
    ("one", "other", "column", "value"),
    [
        ("198.51.100.0/24", "198.51.100.0/24", "address", "198.51.100.0/24"),
        ("2001:db8::1", "2001:0DB8:0::1/128", "address", "2001:db8::1/128"),
        ("0300 1234567", "+923001234567", "number", "…67"),
    ],
)
def test_a_duplicate_identity_names_both_lines(
    write: Write, one: str, other: str, column: str, value: str
) -> None:
    holder = "company" if column == "address" else "freelancer"
    path = write(
        csv(
            row(id="A", holder=holder, **{column: one}, valid_to="2026-12-31"),
            row(id="B", holder=holder, **{column: other}, valid_from="2026-12-31"),
        )
    )
    expected = (
        f"the same {column} stands in {path}:2 for some of the same time: "
        "keep one of the two entries, or let one begin after the other has ended"
    )
    assert only(read(path)) == Problem(str(path), 3, column, value, expected)
    assert [entry.id for entry in read(path, lenient=True).registrations] == ["A"]


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_a_renewal_is_no_duplicate(write: Write, order: int) -> None:
    path = write(
        csv(
            *[
                row(**GOOD, valid_to="2025-12-31"),
                row(**{**GOOD, "id": "C-2"}, valid_from="2026-01-01", valid_to="2027-12-31"),
                row(**{**GOOD, "id": "C-3"}, valid_from="2026-02-01"),
                row(**{**REVOKES, "revokes": "C-2"}),
            ][::order]
        )
    )
    result = read(path)
    assert result.problems == []
    assert len(result.registrations) == 3


def test_overlapping_prefixes_are_told_once_and_loaded(write: Write) -> None:
    path = write(
        csv(
            row(id="A", holder="company", address="198.51.100.9"),
            row(id="B", holder="company", address="198.51.100.0/24"),
            row(id="C", holder="company", address="198.51.100.64/26"),
        )
    )
    result = read(path)
    assert result.problems == []
    assert len(result.registrations) == 3
    (notice,) = result.notices
    assert str(notice) == (
        f"{path}:3: address: 198.51.100.0/24 also covers 198.51.100.9/32 in {path}:2 and 1 more: "
        "make sure that both belong to the same holder"
    )


def test_a_broad_prefix_is_told_and_loaded(write: Write) -> None:
    path = write(csv(row(**{**GOOD, "address": "12.0.0.0/15"})))
    result = read(path)
    assert not result.refused
    assert [str(notice) for notice in result.notices] == [
        f"{path}:2: address: 12.0.0.0/15 covers 131,072 addresses, all of which count as registered: "
        "make sure that one holder has them all"
    ]


def test_one_bad_row_never_hides_another(write: Write) -> None:
    path = write(
        csv(
            row(id="A", holder="nobody", address="x", valid_to="never"),
            'B,"company,198.51.100.8,,,,,,,,,,',
            "C,company,198.51.100.9",
            row(id="D", holder="company", address="198.51.100.10/24"),
            row(**GOOD),
            row(id="C-1", holder="company", address="bad"),
        )
    )
    result = read(path)
    assert [(problem.line, problem.column) for problem in result.problems] == [
        (2, "holder"), (2, "address"), (2, "valid_to"), (3, None), (4, None), (5, "address"),
        (7, "id"), (7, "address"),
    ]  # fmt: skip
    assert result.registrations == []
    assert [entry.id for entry in read(path, lenient=True).registrations] == ["C-1"]


# Errors of rows and cells as such.


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        (b'C-1,"company,198.51.100.7', None, "a quote is opened and not closed on the same line: "
            "close it, without line breaks inside"),
        (b'C-1,"com"pany,198.51.100.7', None, "not a row of CSV: ',' expected after '\"'"),
        (b"C-1,company", None, "the row has 2 cells, the header 3: is a ',' missing, "
            "or a cell with ',' in it not quoted?"),
        (b"C-1,company,198.51.100.7,", None, "the row has 4 cells, the header 3: is a ',' missing, "
            "or a cell with ',' in it not quoted?"),
        (b"C-\xe9,company,198.51.100.7", "id", "not UTF-8 (byte 0xE9): save the file as UTF-8"),
        (b"C-1,company,198.51.\x00100.7", "address", "a NUL byte: the file is damaged or not a text file"),
        (b"C-1,comp\x1b[2Jany,198.51.100.7", "holder", "the control character U+001B is not allowed: remove it"),
    ],
)  # fmt: skip
def test_an_error_in_a_line_of_csv(write: Write, line: bytes, column: str | None, message: str) -> None:
    path = write(b"id,holder,address\n" + line + b"\nC-2,company,198.51.100.8\n")
    assert only(read(path)) == Problem(str(path), 2, column, None, message)
    assert [entry.id for entry in read(path, lenient=True).registrations] == ["C-2"]


# Errors of whole files: not even a lenient load goes on.

KNOWN = ", ".join(HEADER.split(","))


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        (b"", None, None, "the file is empty: expected a header and at least one row"),
        (b" \n\n", None, None, "the file is empty: expected a header and at least one row"),
        (b"# only\n# comments\n", None, None, "the file is empty: expected a header and at least one row"),
        (HEADER.encode(), None, None, "the file has no entry: expected at least one row"),
        (
            b"C-1,company,198.51.100.7\n", 1, None,
            f"the header is missing: the first line must name the columns, separated by ',' or ';': {KNOWN}",
        ),
        (b"id,holder\nC-1,company\n", 1, None, "the header lacks 'address' or 'number'"),
        (b"address,note\n198.51.100.7,x\n", 1, None, "the header lacks 'id', 'holder'"),
        (
            b"id,holder,adress\nC-1,company,198.51.100.7\n", 1, "adress",
            f"unknown column 'adress': did you mean 'address'? known columns are {KNOWN}",
        ),
        (
            b"id,holder,address,MSISDN\nC-1,company,198.51.100.7,\n", 1, "msisdn",
            f"unknown column 'msisdn': did you mean 'number'? known columns are {KNOWN}",
        ),
        (
            b"id,holder,address,qqq\nC-1,company,198.51.100.7,\n", 1, "qqq",
            f"unknown column 'qqq': known columns are {KNOWN}",
        ),
        (b"id,holder,address,id\nC,company,198.51.100.7,C\n", 1, "id", "the column stands twice in the header: "
            "keep one"),
        (b"id,holder,,address\nC,company,,198.51.100.7\n", 1, None, "column 3 of the header has no name: "
            "name or remove it"),
        ("id,holder,address\n".encode("utf-16"), None, None, "the file is UTF-16: save it as UTF-8 "
            "('CSV UTF-8' in spreadsheets)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lenient", [False, True])
def test_an_unusable_csv(
    write: Write, content: bytes, line: int | None, column: str | None, message: str, lenient: bool
) -> None:
    path = write(content)
    result = read(path, lenient=lenient)
    assert result.refused
    assert result.registrations == []
    assert result.problems[0] == Problem(str(path), line, column, None, message, fatal=True)


def test_a_wrong_header_does_not_hide_wrong_rows(write: Write) -> None:
    result = read(write("id,holder,adress,address\nC-1,company,,nowhere\n"))
    assert [(problem.line, problem.column) for problem in result.problems] == [(1, "adress"), (2, "address")]


EXPECTED = "expected a mapping with the key 'registrations' and a list of rows under it"
ROW = "- {id: C-1, holder: company, address: 198.51.100.7}\n"


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        (b"# nothing\n", None, None, f"the file is empty: {EXPECTED}"),
        (b"---\n...\n", None, None, f"the file is empty: {EXPECTED}"),
        (b"registrations:\n", None, None, "the file has no entry: expected at least one row"),
        (b"- id: C-1\n", 1, None, EXPECTED),
        (b"entries: []\n", 1, "entries", EXPECTED),
        (b"registrations: 5\n", 1, "registrations", "expected a list of rows, each starting with '- '"),
        (f"registrations:\n{ROW}registrations: []\n".encode(), 3, "registrations",
            "the key 'registrations' stands twice"),
        (f"registrations:\n{ROW}---\nx\n".encode(), 3, None, "a second document: expected only one in the file"),
        (b"registrations:\n- id: [\n", 3, None, "not YAML: did not find expected node content"),
        (b"registrations:\n- id: C-\xe9\n", 2, None, "not UTF-8 (byte 0xE9): save the file as UTF-8"),
        (b"registrations:\n- id: C-\0\n", 2, None, "a NUL byte: the file is damaged or not a text file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lenient", [False, True])
def test_an_unusable_yaml(
    write: Write, content: bytes, line: int | None, column: str | None, message: str, lenient: bool
) -> None:
    path = write(content, "list.yml")
    result = read(path, lenient=lenient)
    assert result.refused
    assert result.registrations == []
    assert result.problems[0] == Problem(str(path), line, column, None, message, fatal=True)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("- 5\n", 3, None, "expected a row: a mapping of fields, such as 'id: ...'"),
        ("- id: A\n  id: B\n", 4, "id", "the field stands twice in the row that starts on line 3"),
        ("- id: A\n  holder: {a: b}\n", 4, "holder", "expected a plain value"),
        ("- id: A\n  protocols: {a: b}\n", 4, "protocols", "expected a plain value or a list of them"),
        ("- id: A\n  peers: [[a]]\n", 4, "peers", "expected a list of plain values"),
        ("- id: A\n  note: \"a\\eb\"\n", 4, "note", "the control character U+001B is not allowed: remove it"),
        ("- id: A\n  adress: b\n", 4, "adress", f"unknown column 'adress': did you mean 'address'? "
            f"known columns are {KNOWN}"),
        ("- id: A\n  [a]: b\n", 4, None, "expected the name of a field"),
    ],
)  # fmt: skip
def test_an_error_in_a_row_of_yaml(write: Write, text: str, line: int, column: str | None, message: str) -> None:
    path = write(f"registrations:\n{ROW}{text}", "list.yaml")
    assert only(read(path)) == Problem(str(path), line, column, None, message)
    assert [entry.id for entry in read(path, lenient=True).registrations] == ["C-1"]


def test_deeply_nested_yaml_is_an_error_like_any_other(write: Write) -> None:
    result = read(write("registrations: " + "[" * 20_000, "list.yaml"))
    assert result.refused
    assert result.problems[-1].fatal


def test_files_that_cannot_be_read(tmp_path: Path, write: Write) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "fifo.csv")
    (tmp_path / "self.csv").symlink_to(tmp_path / "self.csv")
    told = {
        tmp_path / "none.csv": "does not exist: check the path in the configuration",
        tmp_path / "folder.csv": "is a directory: name the file in it",
        tmp_path / "fifo.csv": "is not a regular file: name a file on disk",
        tmp_path / "self.csv": "cannot be read: Too many levels of symbolic links; check its owner and mode",
        write("x", "list.xlsx"): "unknown kind of file: expected a name ending in .csv, .yaml or .yml",
    }
    good = write(csv(row(**GOOD)))
    for path, message in told.items():
        result = read(path, good, lenient=True)
        assert result.refused
        assert result.problems == [Problem(str(path), None, None, None, message, fatal=True)]


def test_a_lenient_load_without_one_good_row_is_refused(write: Write) -> None:
    assert read(write(csv(row(**{**GOOD, "holder": "x"}))), lenient=True).refused


def test_numbers_need_a_key(write: Write) -> None:
    path = write(csv(row(**FREELANCER)))
    expected = "numbers cannot be used without a key file: configure one"
    assert only(read(path, tagger=None)) == Problem(str(path), 2, "number", "…67", expected)


def test_an_unknown_region_is_refused_at_once(write: Write) -> None:
    with pytest.raises(ValueError, match="unknown region 'ZZ': expected an ISO 3166-1 alpha-2 code"):
        load([write(csv(row(**GOOD)))], "ZZ", KARACHI, TAGGER, False)


# Least data.


@pytest.mark.parametrize(
    "column",
    ["CNIC", "cnic_no", "NIC", "NTN", "tax number", "Name", "company_name", "Father Name", "passport-no", "email",
     "e-mail", "DOB", "date of birth", "phone-of-contact", "contact", "home_address", "imsi"],
)  # fmt: skip
def test_identity_columns_are_not_read_and_told(write: Write, column: str) -> None:
    secret = "Zubaida 42201-1234567-1"
    one = write(f"id,{column},holder,address\nC-1,{secret},company,198.51.100.7\n", "one.csv")
    other = f"- {{id: C-2, {column}: '{secret}', holder: company, address: 198.51.100.8}}\n"
    two = write(f"registrations:\n{ROW}{other}", "two.yaml")
    for path, line in ((one, 1), (two, 3)):
        result = read(path)
        assert result.problems == []
        assert len(result.registrations) == (1 if path == one else 2)
        (notice,) = result.notices
        assert (notice.file, notice.line) == (str(path), line)
        assert notice.column == column.lower().replace(" ", "_").replace("-", "_")
        assert notice.message.startswith("is not read")
        assert "Zubaida" not in repr(result)
        assert "1234567" not in repr(result)


def test_a_headers_unreadable_name_for_dropped_data_does_not_matter_to_kept_cells(write: Write) -> None:
    result = read(write(b"id,holder,address,name\nC-1,company,198.51.100.7,Ren\xe9\n"))
    assert result.problems == []
    assert len(result.registrations) == 1


def test_no_raw_number_stays_anywhere(write: Write) -> None:
    path = write(
        csv(
            row(id="F-1", holder="freelancer", number="0300 1234567", note="call 0300-1234567 or 92 300 1234567"),
            row(id="F-2", holder="freelancer", number="03001234567", valid_to="2020-01-01"),
            row(id="F-3", holder="freelancer", number="0300 123456789"),
            row(id="F-4", holder="0300 1234567", number="03001234567x"),
            row(
                id="F-5", holder="company", address="0300 1234567", peers="0300 1234567", protocols="0300 1234567"
            ),
            row(id="F-6", holder="freelancer", number="+923001234568", valid_from="03001234567"),
            row(id="03001234568", holder="freelancer", number="+923001234568"),
            row(
                revokes="F-1", reason="0300 1234567 misused", notice_date="2026-01-01", effective_date="2026-01-01"
            ),
        )
    )
    for lenient in (False, True):
        result = read(path, lenient=lenient)
        everything = [
            repr(result).encode(), pickle.dumps(result),
            *(str(found).encode() for found in (*result.problems, *result.notices)),
        ]  # fmt: skip
        for blob in everything:
            digits = bytes(byte for byte in blob if 48 <= byte <= 57 or byte > 127)
            assert b"1234567" not in blob
            assert b"300123456" not in digits
    assert [entry.id for entry in result.registrations] == ["F-1"]
    assert result.registrations[0].note == "call …67 or …67"
    assert result.registrations[0].revocation is not None
    assert result.registrations[0].revocation.reason == "…67 misused"
    assert {notice.column for notice in result.notices} == {"note", "reason"}
