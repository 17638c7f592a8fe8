"""Lists in YAML."""

from __future__ import annotations

from tests.fuzz import lists

LONGEST = 700
_ROW = b"- {id: C-1, holder: company, address: 198.51.100.7}\n"


def seeds() -> dict[str, bytes]:
    rows = {
        "one": _ROW,
        "block": b"- id: C-1\n  holder: company\n  address: 2001:db8::/48\n  protocols: [wireguard, ipsec]\n"
        b"  peers:\n  - 203.0.113.0/24\n  valid_from: 2026-01-01\n",
        "number": b"- {id: F-1, holder: freelancer, number: 03001234567, note: 'a b'}\n",
        "revoked": _ROW + b"- {revokes: C-1, reason: x, notice_date: 2026-01-01, effective_date: 2026-01-02}\n",
        "anchor": b"- &a {id: C-1, holder: company, address: 198.51.100.7}\n- *a\n",
        "tag": b"- !!python/object/apply:os.system ['true']\n",
        "twice": b"- {id: C-1, id: C-2, holder: company, address: 198.51.100.7}\n",
        "nested": b"- " + b"[" * 60 + b"]" * 60 + b"\n",
        "null": b"- {id: ~, holder: company, address: null}\n",
    }
    found = {name: b"registrations:\n" + text for name, text in rows.items()}
    found["two documents"] = found["one"] + b"---\n" + found["one"]
    found["another key"] = found["one"] + b"more: 1\n"
    found["no list"] = b"registrations: 1\n"
    return found


def one(data: bytes) -> None:
    lists.check(data, "list.yaml")
