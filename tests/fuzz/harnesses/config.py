"""Configuration files: a typed tree, or every problem with its file."""

from __future__ import annotations

from pathlib import Path

from enforcer.config_file import ConfigError, parse
from enforcer.problems import Problem

LONGEST = 900
_PATH = Path("/etc/enforcer/enforcer.yaml")


def seeds() -> dict[str, bytes]:
    example = (Path(__file__).parents[3] / "config" / "enforcer.example.yaml").read_text("utf-8")
    found = {
        "enforce": "mode: enforce\nenforce: [wireguard, openvpn]\n"
        "lines: [{name: leased, class: static, prefixes: [198.51.100.0/24]}]\n",
        "mobile": "lines:\n- {name: m, class: mobile, prefixes: [100.64.0.0/10], nas: [bras-1]}\n"
        "numbers: {region: PK, key_file: key}\n",
        "lists": "registry: {files: [a.csv, b.yaml], grace: 60d, timezone: Asia/Karachi, max_shrink: 10%}\n",
        "radius": "radius: {listen: ['127.0.0.1:1813'], clients: [{name: b, addresses: [192.0.2.1]}]}\n",
        "twice": "mode: monitor\nmode: enforce\n",
        "date": "mode: 2026-02-30\n",
        "anchor": "a: &a [*a]\n",
        "merge": "a: &a {mode: monitor}\n<<: *a\n",
        "tag": "mode: !!python/name:os.system\n",
        "complex key": "? [a, b]\n: c\n",
        "empty": "",
    }  # fmt: skip
    sections = [part for part in example.split("\n\n") if part.strip()]
    found.update({f"example {number}": part[:LONGEST] for number, part in enumerate(sections)})
    return {name: text.encode() for name, text in found.items()}


def one(data: bytes) -> None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    problems = _problems(text)
    assert problems is None or problems
    for problem in problems or ():
        assert problem.file == str(_PATH)
        assert problem.line is None or 1 <= problem.line <= len(text.splitlines()) + 1, problem
        assert problem.message


def _problems(text: str) -> list[Problem] | None:
    try:
        parse(text, _PATH)
    except ConfigError as error:
        return error.problems
    return None
