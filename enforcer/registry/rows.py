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
