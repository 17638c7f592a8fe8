"""Characters that have no place in a list."""

from __future__ import annotations

import unicodedata


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


def foreign_character(text: str) -> str:
    """Names the first character of ``text`` that is not ASCII: lookalikes cannot be told by eye."""
    character = next(character for character in text if not character.isascii())
    name = unicodedata.name(character, "no name")
    return f"the character U+{ord(character):04X} ({name}) is not allowed here: expected ASCII only"
