"""A row of a list before it is understood: the same from CSV and YAML."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """The fields of one row as text, stripped; empty fields are absent.

    ``lines`` gives the 1-based line of a field where it is not ``line``. ``bad`` means that a problem of the
    row has been recorded already.
    """

    file: str
    line: int
    cells: dict[str, str]
    lines: dict[str, int] | None = None
    bad: bool = False

    def line_of(self, column: str) -> int:
        """The line on which ``column`` stands."""
        return self.line if self.lines is None else self.lines.get(column, self.line)


def unprintable(text: str) -> str | None:
    """What is wrong with the first character of ``text`` that no text has: undecodable, NUL, or a control.

    Undecodable bytes are expected as lone surrogates (PEP 383). Controls could write on the terminal of
    whoever is shown the field.
    """
    for character in text:
        if "\udc80" <= character <= "\udcff":
            return f"not UTF-8 (byte 0x{ord(character) - 0xDC00:02X}): save the file as UTF-8"
        if character == "\0":
            return "a NUL byte: the file is damaged or not a text file"
        if character < " " or "\x7f" <= character <= "\x9f":
            return f"the control character U+{ord(character):04X} is not allowed: remove it"
    return None
