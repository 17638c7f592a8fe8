"""Lists in CSV: loaded, loaded again, and followed by themselves in another order."""

from __future__ import annotations

from tests.fuzz import lists

LONGEST = 700
_HEADER = (
    b"id,holder,address,number,valid_from,valid_to,protocols,peers,note,revokes,reason,notice_date,effective_date"
)
_ROWS = (
    b"C-1,company,198.51.100.7,,2026-01-01,2026-12-31,,,,,,,",
    b"C-2,company,2001:db8:42::/48,,,,wireguard ipsec,203.0.113.0/24,,,,,",
    b'F-1,freelancer,,0300 1234567,,,,,"a, b",,,,',
    b",,,,,,,,,C-1,fraud,2026-01-01,2026-02-01",
    b"C-3,company,198.51.100.0/24,,2026-01-01T09:00:00+05:00,,,,,,,,",
    b"# a comment",
    b"",
    b"C-4,company,0.0.0.0/0,,,,,,,,,,",
    b"F-2,freelancer,,=cmd|' /C calc'!A0,,,,,,,,,",
    b"C-5,company,198.51.1\xd9\xa0\xd9\xa0.7,,,,,,,,,,",
    b'C-6,company,"198.51.100.9,,,,,,,,,,',
    b"C-1,company,198.51.100.7,,,,,,,,,,",
)


def seeds() -> dict[str, bytes]:
    found = {str(row): b"\n".join((_HEADER, _ROWS[0], row, b"")) for row in _ROWS}
    found["all"] = b"\n".join((_HEADER, *_ROWS))
    found["semicolons"] = found["all"].replace(b",", b";")
    found["crlf"] = b"\xef\xbb\xbf" + found["all"].replace(b"\n", b"\r\n")
    found["cr"] = found["all"].replace(b"\n", b"\r")
    found["short"] = b"id,holder,address\nC-1,company,198.51.100.7\n"
    found["name"] = b"id,holder,address,name\nC-1,company,198.51.100.7,Somebody\n"
    found["utf-16"] = "id,holder\n".encode("utf-16")
    return found


def one(data: bytes) -> None:
    result = lists.check(data, "list.csv")
    header, end, rest = data.partition(b"\n")
    lists.again(header + end + b"\n".join(rest.split(b"\n")[::-1]), "list.csv", result.known)
