"""Lists that went wrong on their way, or were made to harm: refused with their place, and the old one in force."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from queue import SimpleQueue

import pytest

from enforcer.check import check
from enforcer.config_file import ConfigError
from enforcer.config_file import load as load_config
from enforcer.gateway import own_addresses
from enforcer.gateway.loader import Loaded, Loader, Refused, Result
from enforcer.lists import MOST_TOLD, load_lists
from enforcer.registry import files
from tests.unit.registry.lists import HEADER, Write, csv, only, read, row

NOW = 1_790_000_000.0
MANY = 100_000
HEAD = "id,holder,address\n"


def rows(count: int, first: int = 0) -> list[str]:
    return [f"R-{n},company,10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(first, first + count)]


class Gateway:
    """What reloads a list for a daemon that runs."""

    def __init__(self, folder: Path, count: int) -> None:
        self.list = folder / "list.csv"
        self.list.write_text(HEAD + "\n".join(rows(count)) + "\n")
        path = folder / "enforcer.yaml"
        path.write_text("registry: {files: [list.csv], max_shrink: 20}\n")
        self.config = load_config(path)
        self.lists = load_lists(self.config, False, NOW, path)
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._loader = Loader(path, False, self._results.put)

    def reload(self, content: str | bytes) -> Result:
        self.list.write_bytes(content if isinstance(content, bytes) else content.encode())
        self._loader.reload(self.config, self.lists, "test")
        self._loader.wait()
        return self._results.get(timeout=30)


LIST = HEAD + "\n".join(rows(100)) + "\n"
REVOKING = ",revokes,reason,notice_date,effective_date\n"
Change = Callable[[str], str | bytes]
SPOILT: dict[str, tuple[Change, str]] = {
    "cut in the middle of a row": (lambda text: text[:-12], "list.csv:101: the row has 2 cells, the header 3"),
    "cut between two rows": (lambda text: "\n".join(text.split("\n")[:60]), "41 of 100 entries are gone"),
    "cut to nothing": (lambda _: "", "list.csv: the file is empty"),
    "doubled": (lambda text: text + text, "list.csv:102: holder: 'holder': expected 'company' or 'freelancer'"),
    "doubled without its header": (lambda text: text + text[len(HEAD) :], "list.csv:102: id: 'R-0': already"),
    "UTF-16": (lambda text: text.encode("utf-16"), "list.csv: the file is UTF-16: save it as UTF-8"),
    "Latin-1": (
        lambda text: (text + "R-é,company,10.9.0.1\n").encode("latin-1"),
        "list.csv:102: id: not UTF-8 (byte",
    ),
    "NUL bytes of a crash": (lambda text: text[:-205].encode() + bytes(200), "list.csv:93: "),
    "every address": (
        lambda text: text + "R-x,company,0.0.0.0/0\n",
        "list.csv:102: address: '0.0.0.0/0': the prefix",
    ),
    "every IPv6 address": (
        lambda text: text + "R-x,company,::/0\n",
        "list.csv:102: address: '::/0': the prefix is too",
    ),
    "half of all addresses": (lambda text: text + "R-x,company,128.0.0.0/1\n", "is too broad: /8 is the shortest"),
    "loopback": (lambda text: text + "R-x,company,127.0.0.1\n", "127.0.0.0/8 is loopback"),
    "Arabic-Indic digits": (
        lambda text: text + "R-x,company,10.9.0.\N{ARABIC-INDIC DIGIT ONE}\n",
        "the character U+0661 (ARABIC-INDIC DIGIT ONE) is not allowed here: expected ASCII",
    ),
    "fullwidth digits": (
        lambda text: text + "R-x,company,10.9.0.\N{FULLWIDTH DIGIT ONE}\n",
        "the character U+FF11 (FULLWIDTH DIGIT ONE) is not allowed here",
    ),
    "an id that looks like another": (
        lambda text: text + "R-\N{CYRILLIC SMALL LETTER ES}1,company,10.9.0.1\n",
        "list.csv:102: id: 'R-\N{CYRILLIC SMALL LETTER ES}1': the character U+0441 (CYRILLIC SMALL",
    ),
    "a column name turned around": (
        lambda text: text.replace("id,holder", "id,\N{RIGHT-TO-LEFT OVERRIDE}redloh"),
        r"list.csv:1: \u202eredloh: unknown column",
    ),
    "a huge cell": (
        lambda text: text + f"R-x,company,{'1' * 1_000_000}\n",
        "list.csv:102: address: '…11': not an",
    ),
    "a huge quoted cell": (
        lambda text: text + f'R-x,company,"{"1" * 1_000_000}"\n',
        "list.csv:102: not a row of CSV",
    ),
    "a huge id": (lambda text: text + f"{'R' * 65},company,10.9.0.1\n", "list.csv:102: id: 'RRR"),
    "a huge header": (lambda text: "x" * 1_000_000 + "," + text, "list.csv:1: xxx"),
    "a quote left open": (
        lambda text: text + 'R-x,"company,10.9.0.1\n',
        "list.csv:102: a quote is opened and not",
    ),
    "a formula for an address": (
        lambda text: text + "R-x,company,=1+1\n",
        "list.csv:102: address: '=1+1': not an",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_list_is_refused_with_its_place_and_the_old_one_stays(tmp_path: Path, name: str) -> None:
    spoil, said = SPOILT[name]
    gateway = Gateway(tmp_path, 100)
    before = gateway.lists.registry
    result = gateway.reload(spoil(LIST))
    assert isinstance(result, Refused)
    assert said in result.error
    assert max(map(len, result.error.splitlines())) < 1000
    assert gateway.lists.registry is before
    assert len(before) == 100


def test_a_list_that_revokes_everyone_is_refused(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, 100)
    columns = HEAD.rstrip() + REVOKING
    good = "\n".join(f"{each},,,," for each in rows(100)) + "\n"

    def revoked(count: int) -> str:
        return "".join(f",,,R-{n},mistake,2026-01-01,2026-01-02\n" for n in range(count))

    result = gateway.reload(columns + good + revoked(100))
    assert isinstance(result, Refused)
    assert (
        "100 of 100 entries are revoked, more than registry.max_shrink (20 percent) allows at once" in result.error
    )
    assert isinstance(gateway.reload(columns + good + revoked(20)), Loaded)


def test_revocations_that_were_known_are_not_counted_again(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, 100)
    columns = HEAD.rstrip() + REVOKING
    good = "\n".join(f"{each},,,," for each in rows(100)) + "\n"
    for count in (20, 40):
        more = "".join(f",,,R-{n},closed,2026-01-01,2026-01-02\n" for n in range(count))
        result = gateway.reload(columns + good + more)
        assert isinstance(result, Loaded), count
        gateway.lists = result.lists


def test_one_bad_row_among_many_is_found_and_told_alone(write: Write) -> None:
    lines = rows(MANY)
    lines[70_000] = "R-70000,company,10.1.2.3.4"
    path = write(HEAD + "\n".join(lines) + "\n")
    begin = time.monotonic()
    problem = only(read(path))
    took = time.monotonic() - begin
    assert str(problem).startswith(f"{path}:70002: address: '10.1.2.3.4': not an address")
    assert took < 30, f"{took:.1f} s"
    assert len(read(path, lenient=True).registrations) == MANY - 1


def test_a_list_doubled_at_length_is_told_row_by_row(write: Write) -> None:
    lines = rows(5_000)
    problems = read(write(HEAD + "\n".join(lines + lines) + "\n")).problems
    assert [problem.line for problem in problems] == list(range(5_002, 10_002))


def test_what_is_told_in_one_breath_is_bounded(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, 500)
    text = HEAD + "\n".join(rows(500) * 2) + "\n"
    result = gateway.reload(text)
    assert isinstance(result, Refused)
    for told in (result.error, result.logged):
        assert len(told.splitlines()) == MOST_TOLD + 1
        assert told.endswith("and 400 more: `enforcer check` lists them all")


def test_the_gateways_own_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fib_trie").write_text(
        "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.0.2.0\n        /24 link UNICAST\n"
        "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n"
        "     |-- 192.0.2.2\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n"
    )
    (tmp_path / "if_inet6").write_text(
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "20010db8000000000000000000000002 02 40 00 80     eth0\n"
        "fe800000000000000000000000000002 02 40 20 80     eth0\n"
    )
    monkeypatch.setattr(own_addresses, "_NET", tmp_path)
    expected = {ip_address("192.0.2.2").packed, ip_address("2001:db8::2").packed}
    assert own_addresses.own_addresses() == expected
    path = tmp_path / "enforcer.yaml"
    (tmp_path / "list.csv").write_text(HEAD + "R-1,company,192.0.2.2\nR-2,company,192.0.2.0/24\n")
    path.write_text("registry: {files: [list.csv]}\n")
    told = [each for each in check(path, load_config(path), False).warnings if "this gateway" in each]
    assert told == [f"{tmp_path}/list.csv:2: address: 192.0.2.2/32 is this gateway's own, so no subscriber's"]


def test_formulas_stay_text(write: Write) -> None:
    for formula in ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1+1)", '=HYPERLINK("http://x")'):
        quoted = '"' + formula.replace('"', '""') + '"'
        text = f"{HEADER}\nC-1,company,198.51.100.7,,,,,,{quoted},,,,\n"
        (entry,) = read(write(text)).registrations
        assert entry.note == formula
        assert entry.network == ip_network("198.51.100.7")


class TestWhoMayWrite:
    def test_everyone(self, write: Write) -> None:
        path = write(csv(row(id="C-1", holder="company", address="198.51.100.7")))
        path.chmod(0o666)
        told = f"{path}: can be written by everyone (mode 0666); run: chmod o-w {path}"
        assert str(only(read(path))) == told
        assert read(path, lenient=True).refused

    def test_everyone_by_way_of_the_folder(self, write: Write) -> None:
        path = write(csv(row(id="C-1", holder="company", address="198.51.100.7")))
        path.parent.chmod(0o777)
        assert "stands in a folder that everyone can write to (mode 0777)" in str(only(read(path)))
        path.parent.chmod(0o1777)
        assert not read(path).refused

    def test_a_link_of_the_owner_is_followed(self, write: Write) -> None:
        path = write(csv(row(id="C-1", holder="company", address="198.51.100.7")), "list-2026-01.csv")
        link = path.with_name("list.csv")
        link.symlink_to(path.name)
        assert not read(link).refused
        os.chown(path, 12345, 12345)
        os.lchown(link, 12345, 12345)
        assert not read(link).refused

    def test_a_link_of_somebody_else_is_not(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("id,holder,address\nroot:$y$secret,company,x\n")
        secret.chmod(0o600)
        link = tmp_path / "list.csv"
        link.symlink_to(secret)
        os.lchown(link, 12345, 12345)
        problem = str(only(read(link)))
        assert problem.startswith(
            f"{link}: is a symbolic link of user 12345 to a file of user 0: name the file itself"
        )
        assert "secret," not in problem
        assert "root:" not in problem

    def test_a_link_into_a_folder_of_everyone(self, tmp_path: Path) -> None:
        folder = tmp_path / "drop"
        folder.mkdir()
        (folder / "list.csv").write_text(csv(row(id="C-1", holder="company", address="198.51.100.7")))
        folder.chmod(0o777)
        link = tmp_path / "list.csv"
        link.symlink_to(folder / "list.csv")
        assert f"chmod o-w {folder}" in str(only(read(link)))

    def test_the_configuration_too(self, tmp_path: Path) -> None:
        path = tmp_path / "enforcer.yaml"
        path.write_text("mode: monitor\n")
        load_config(path)
        path.chmod(0o646)
        with pytest.raises(ConfigError, match=r"can be written by everyone \(mode 0646\); run: chmod o-w"):
            load_config(path)


def test_more_than_memory_should_hold_is_not_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    path = write(csv(row(id="C-1", holder="company", address="198.51.100.7")))
    assert f"has {path.stat().st_size:,} bytes: expected at most 100" in str(only(read(path)))
