"""Plain rows read at once and rows read one by one are the same list, with the same said of it."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.registry import csv_rows
from enforcer.registry.guards import breadth_warning, parse_subscriber_network, plain_identity
from enforcer.registry.load import LoadResult, load
from enforcer.registry.registrations import form_of
from enforcer.subscribers.number import Tagger
from tests.bench.lists import rows as many_rows
from tests.unit.registry.lists import HEADER, KARACHI, TAGGER

CELLS = {
    "id": ["", "A", "B", "C-1", " D ", "C 1", "é", "42201-1234567-1", "x" * 64, "x" * 65, "0300-1234567", "7"],
    "holder": ["company", "freelancer", "Company ", "FREELANCER", "", "person"],
    "address": [
        "", "", "198.51.100.7", "198.51.100.0/24", "198.51.100.64/26", "198.51.100.7/24", "12.0.0.0/15",
        "12.0.0.0/7",
        "2001:db8::/48", "2001:DB8::1", "2001:db8::1/48", "::ffff:198.51.100.7", "127.0.0.1", "010.1.1.1", "x",
        "198.51.100.7/032", "2001:db8::/30", "fe80::1%eth0", " 203.0.113.9 ",
    ],
    "number": [
        "", "", "0300 1234567", "+923001234568", "923001234569", "+447400123456", "021 34567890", "0300", "0300x",
        "(0300) 1234567", "00923001234570",
    ],
    "valid_from": ["", "", "2026-01-01", "2026-02-02", "2026-02-30", "2026-01-01T10:00:00Z", "1969-01-01"],
    "valid_to": ["", "", "2026-01-31", "2027-01-01", "2025-01-01", "x"],
    "protocols": ["", "", "wireguard", "ipsec;openvpn", "pptp"],
    "peers": ["", "", "192.0.2.1", "192.0.2.0/24 2001:db8:1::/48", "0.0.0.0/0"],
    "note": ["", "", "a note", "call 0300 1234567", "n" * 501, "a, b", 'say "x"', "é"],
    "revokes": ["", "", "", "", "", "", "A", "C-1"],
    "reason": ["", "", "", "", "", "", "fraud"],
    "notice_date": ["", "", "", "", "", "", "2026-01-01"],
    "effective_date": ["", "", "", "", "", "", "2026-02-01"],
}  # fmt: skip
GOOD = {
    "id": [f"G-{n}" for n in range(30)], "holder": ["company"],
    "address": [f"203.0.113.{n}" for n in range(20)] + ["203.0.113.0/28", "2001:db8:5::/56"],
}  # fmt: skip
ODD_LINES = ["", "#x", ",,", '"', "a,b", "\x00,", "\ufeff", ",company"]


@st.composite
def lines(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(ODD_LINES))
    choices = draw(st.sampled_from([CELLS, CELLS, GOOD, GOOD, GOOD]))
    cells = [draw(st.sampled_from(choices.get(name, [""]))) for name in HEADER.split(",")]
    return ",".join(
        f'"{cell.replace(chr(34), chr(34) * 2)}"' if "," in cell or '"' in cell else cell for cell in cells
    )


def said(result: LoadResult) -> tuple[object, ...]:
    return list(result.registrations), result.problems, result.notices, result.refused


def one_by_one(path: Path, lenient: bool) -> LoadResult:
    with mock.patch.object(csv_rows.Block, "cells", return_value=None):
        return load([path], "PK", KARACHI, TAGGER, lenient)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(lines(), max_size=14), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.sampled_from([40, 1 << 16])
)
def test_rows_read_at_once_are_as_rows_read_one_by_one(
    body: list[str], lenient: bool, end: str, size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(csv_rows, "BLOCK", size):
        path = Path(folder) / "list.csv"
        path.write_bytes(end.join([HEADER, *body]).encode("utf-8", "surrogateescape"))
        assert said(load([path], "PK", KARACHI, TAGGER, lenient)) == said(one_by_one(path, lenient))


@settings(max_examples=200, deadline=None)
@given(st.lists(lines(), max_size=14), st.data(), st.booleans())
def test_a_list_read_again_is_as_if_read_for_the_first_time(
    body: list[str], data: st.DataObject, lenient: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        known = None
        for _ in range(3):
            path.write_text("\n".join([HEADER, *body]), encoding="utf-8")
            again = load([path], "PK", KARACHI, TAGGER, lenient, known)
            assert said(again) == said(load([path], "PK", KARACHI, TAGGER, lenient))
            known = again.known
            body = data.draw(st.permutations(body))[data.draw(st.integers(0, 3)) :]
            body += data.draw(st.lists(lines(), max_size=3))


def test_what_lines_are_read_by_makes_them_unknown(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id,holder,address,number\nF,freelancer,,0300 1234567\nC,company,198.51.100.7,\n")
    known = load([path], "PK", KARACHI, TAGGER, False).known
    other = Tagger(b"o" * 32)
    entry, _ = load([path], "PK", KARACHI, other, False, known).registrations
    assert entry.tag == other.tag("+923001234567")
    entry, _ = load([path], "PK", KARACHI, Tagger(bytes(range(32)), (b"o" * 32,)), False, known).registrations
    assert entry.former_tags == (other.tag("+923001234567"),)
    path.write_text("id,holder,number,address\nF,freelancer,,0300 1234567\nC,company,198.51.100.7,\n")
    assert load([path], "PK", KARACHI, TAGGER, False, known).refused


def test_a_line_that_now_stands_twice_keeps_all_of_its_entry(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    tagger = Tagger(bytes(range(32)), (b"o" * 32,))
    line = "F,freelancer,0300 1234567"
    path.write_text(f"id,holder,number\n{line}\n")
    known = load([path], "PK", KARACHI, tagger, True).known
    path.write_text(f"id,holder,number\n{line}\n{line}\n")
    (entry,) = load([path], "PK", KARACHI, tagger, True, known).registrations
    assert entry.former_tags == (Tagger(b"o" * 32).tag("+923001234567"),)


def test_of_a_list_read_again_only_new_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    body = list(many_rows(3000))
    path.write_text("\n".join([HEADER, *body]))
    first = load([path], "PK", KARACHI, TAGGER, False)
    body[1000] = body[1000].replace("R-", "S-", 1)
    random.Random(1).shuffle(body)
    path.write_text("\n".join([HEADER, *body]))
    counted: list[int] = []
    whole = csv_rows.Block.cells

    def cells(self: csv_rows.Block) -> dict[str, list[str]] | None:
        counted.append(len(self.lines))
        return whole(self)

    with mock.patch.object(csv_rows.Block, "cells", cells):
        again = load([path], "PK", KARACHI, TAGGER, False, first.known)
    assert counted == [1]
    assert said(again) == said(load([path], "PK", KARACHI, TAGGER, False))
    assert said(again) == said(one_by_one(path, False))


def test_one_bad_row_among_many_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    body = list(many_rows(5000))
    body[4321] = body[4321].replace("-28,", "-31-x,")
    path.write_text("\n".join([HEADER, *body]))
    (problem,) = load([path], "PK", KARACHI, TAGGER, False).problems
    assert (problem.file, problem.line, problem.column) == (str(path), 4323, "valid_to")


octets = st.one_of(st.integers(0, 300).map(str), st.sampled_from(["01", "1", "255", ""]))
texts = st.one_of(
    st.lists(octets, min_size=3, max_size=5).map(".".join),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded),
    st.text("0123456789abcdefAF:.%", max_size=20),
)
lengths = st.one_of(st.just(""), st.integers(0, 130).map("/{}".format), st.sampled_from(["/024", "/", "/24 "]))


@settings(max_examples=300, deadline=None)
@given(texts, lengths)
def test_a_plain_address_is_what_the_parser_makes_of_it(text: str, length: str) -> None:
    identity = plain_identity(text + length)
    if identity is not None:
        network = parse_subscriber_network(text + length)
        assert breadth_warning(network) is None
        assert identity == (form_of(network), int(network.network_address).to_bytes(16, "big"))


@settings(deadline=None)
@given(st.ip_addresses(v=4), st.integers(16, 32))
def test_most_addresses_are_plain(address: object, length: int) -> None:
    text = f"{address}/{length}"
    try:
        network = parse_subscriber_network(text)
    except ValueError:
        assert plain_identity(text) is None
    else:
        assert (plain_identity(text) is None) == (network.network_address.packed[0] in (169,))
