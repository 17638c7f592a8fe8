"""What is wrong with an operator's file, told so that it can be put right: file, line, column, value."""

from __future__ import annotations

from dataclasses import dataclass, field

_ADDRESSES = frozenset({"address", "peers"})
"""Fields whose values are addresses, and whose messages quote them."""

_LONGEST = 600
_LONGEST_NAME = 80
"""Characters of a message, and of the name of a field: more only where a file quoted in them is no list at all."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a file.

    ``line`` is 1-based, None when the whole file is meant; ``column`` is the name of the field. ``value`` is
    what was found there, already masked where it may hold a telephone number. ``fatal`` problems concern the
    whole file (unreadable, no header, not YAML): a lenient load cannot go on without it either.
    """

    file: str
    line: int | None
    column: str | None
    value: str | None
    message: str
    fatal: bool = False

    def __str__(self) -> str:
        text = _place(self.file, self.line, self.column)
        if self.value is not None:
            text += f" {self.value!r}:"
        return f"{text} {self.message}"

    def logged(self) -> str:
        """The same for the daemon's log, which names no address: only where it stands."""
        if self.column not in _ADDRESSES:
            return str(self)
        return f"{_place(self.file, self.line, self.column)} cannot be used: `enforcer check` says why"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the operator should know that does not stop the file from being used."""

    file: str
    line: int | None
    column: str | None
    message: str

    def __str__(self) -> str:
        return f"{_place(self.file, self.line, self.column)} {self.message}"

    def logged(self) -> str:
        """The same for the daemon's log, which names no address: only where it stands."""
        if self.column not in _ADDRESSES:
            return str(self)
        return f"{_place(self.file, self.line, self.column)} a word about it: `enforcer check` says it"


@dataclass(slots=True)
class Findings:
    """Collects everything found while reading, so that one error never hides another."""

    problems: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def problem(self, file: str, line: int | None, column: str | None, value: str | None, message: str) -> None:
        """Record an error in one row."""
        self.problems.append(Problem(file, line, column and _plain(column, _LONGEST_NAME), value, _plain(message)))

    def fatal(self, file: str, line: int | None, message: str, column: str | None = None) -> None:
        """Record an error that makes the whole file unusable."""
        self.problems.append(
            Problem(file, line, column and _plain(column, _LONGEST_NAME), None, _plain(message), fatal=True)
        )

    def notice(self, file: str, line: int | None, column: str | None, message: str) -> None:
        """Record something worth telling."""
        self.notices.append(Notice(file, line, column and _plain(column, _LONGEST_NAME), _plain(message)))


def _plain(text: str, longest: int = _LONGEST) -> str:
    """The text, of bearable length, with escapes for what could write on a terminal or turn its lines around."""
    text = text[: longest + 1]
    if not text.isprintable():
        text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _place(file: str, line: int | None, column: str | None) -> str:
    place = file if line is None else f"{file}:{line}"
    return f"{place}: {column}:" if column else f"{place}:"
