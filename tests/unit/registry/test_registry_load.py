"""The list's files: what a good one says, what is told of rows seen together, and what is not kept."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from enforcer.fingerprints.detection import Family
from enforcer.problems import Problem
from enforcer.registry.load import load
from enforcer.registry.model import HolderKind, Registration, Status
from tests.unit.registry.lists import (
    GOOD,
    REVOKES,
    TAGGER,
    YAML_ROW,
    Write,
    at,
    csv,
    only,
    read,
    row,
)

EXAMPLES = Path(__file__).parents[3] / "config"

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
    two = write(f"registrations:\n{YAML_ROW}{other}", "two.yaml")
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
            # The folder's name is not of the list: its number and a row's could spell one beside each other.
            apart = blob.replace(str(path.parent).encode(), b"\xff")
            digits = bytes(byte for byte in apart if 48 <= byte <= 57 or byte > 127)
            assert b"1234567" not in blob
            assert b"300123456" not in digits
    assert [entry.id for entry in result.registrations] == ["F-1"]
    assert result.registrations[0].note == "call …67 or …67"
    assert result.registrations[0].revocation is not None
    assert result.registrations[0].revocation.reason == "…67 misused"
    assert {notice.column for notice in result.notices} == {"note", "reason"}
