"""Pages of the documentation as their readers use them: the commands they tell to type."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """The text of a page (MyST Markdown)."""

    text: str

    def commands(self, heading: str) -> list[str]:
        """The fenced blocks of shell commands under a heading of the second level, in order.

        Raises LookupError when there is no such heading, or no command under it.
        """
        section = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", self.text, re.MULTILINE | re.DOTALL)
        found = re.findall(r"^```sh\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL) if section else []
        if not found:
            raise LookupError(f"no shell commands under {heading!r}")
        return found
