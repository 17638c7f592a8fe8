"""Mobile numbers: to one normal form, to a keyed tag, and out of sight.

A number is held only for as long as it takes to tag it. No error text here shows more than its last two
digits.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import NoReturn

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from enforcer.subscribers.numbering import usual_forms

TAG_BYTES = 16

_BLOCK = 64  # bytes, of SHA-256 (FIPS 180-4 §1)

_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_WRITTEN = re.compile(r"\(?\+?[0-9 ().\-]{4,32}")
_GAPPED = re.compile(r"\+?[0-9]+([ -][0-9]+)+")
_DIGITS_LIKE_A_NUMBER = re.compile(r"(?<![A-Za-z\d.:/_])\+?\(?\d(?:[ ()\-]{0,3}\d){7,}(?![\d:])")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d\d-\d\d-\d{4}")


def masked(text: str) -> str:
    """At most the last two digits of what may be a number: ``…67``."""
    digits = [character for character in text if character.isdigit()]
    return "…" + "".join(digits[-2:]) if len(digits) > 4 else "…"


def redact(text: str) -> str:
    """``text`` with every run of eight or more digits masked, as telephone and identity numbers are.

    Spaces, hyphens and parentheses between digits do not end a run; dates and IP addresses are no runs.
    """
    return _DIGITS_LIKE_A_NUMBER.sub(lambda run: run[0] if _DATE.fullmatch(run[0]) else masked(run[0]), text)


def redact_word(word: str, text: str) -> str:
    """``word`` of ``text``, masked when it may be a piece of a number that ``text`` holds."""
    return word if redact(text) == text else masked(word)


def normalise(text: str, region: str) -> str:
    """The E.164 form (ITU-T E.164: ``+``, country code, national number) of a mobile number.

    ``region`` is the ISO 3166-1 alpha-2 code of the country whose local forms are understood. A range that
    numbering plans do not tell from fixed lines (North America) counts as mobile.

    Raises ValueError, whose text shows at most the last two digits: for characters that no number has, for
    a number that is not valid, for one that is not a mobile number, and for an unknown region.
    """
    usual, code = usual_forms(region)
    text = text.strip()
    found = usual.fullmatch(text)
    if found is None and len(text) <= 32 and _GAPPED.fullmatch(text):
        found = usual.fullmatch(text.replace(" ", "").replace("-", ""))
    if found is not None:
        return code + found["national"]
    if not _WRITTEN.fullmatch(text):
        _refuse_writing(text)
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise ValueError(_not_valid(text, region)) from None
    kind = phonenumbers.number_type(number)
    if kind in _MOBILE:
        return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if kind == PhoneNumberType.UNKNOWN:
        raise ValueError(_not_valid(text, region))
    name = PhoneNumberType.to_string(kind).lower().replace("_", " ")
    raise ValueError(
        f"{masked(text)} is not a mobile number but of the kind '{name}': only mobile numbers register"
    )


def normalise_all(texts: Iterable[str], region: str) -> list[str | None]:
    """``normalise`` of many; None for those of which it raises ValueError."""
    usual, code = usual_forms(region)
    found: list[str | None] = []
    for text in texts:
        match = usual.fullmatch(text)
        if match is not None:
            found.append(code + match["national"])
            continue
        try:
            found.append(normalise(text, region))
        except ValueError:
            found.append(None)
    return found


def _not_valid(text: str, region: str) -> str:
    return (
        f"{masked(text)} is not a valid number: expected international form (+, country code, number) "
        f"or a local form of region {region}"
    )


def _refuse_writing(text: str) -> NoReturn:
    for character in text:
        if not character.isascii():
            name = unicodedata.name(character, "no name")
            raise ValueError(
                f"{masked(text)} has the character U+{ord(character):04X} ({name}): "
                "write a number with the digits 0 to 9, in ASCII"
            )
    raise ValueError(
        f"{masked(text)} is not written as a number: expected digits, perhaps a leading +, "
        "and only spaces, hyphens, points or parentheses between them"
    )


class Tagger:
    """Turns a number into its tag: HMAC-SHA256 (RFC 2104) under a secret key, truncated to 16 bytes.

    16 bytes are enough. RFC 2104 §5 asks for no less than half of the hash and no less than 80 bits: this is
    half of 256. Among all 10^10 numbers a large country could assign, two share a tag with a probability of
    about (10^10)^2 / 2^129, below 10^-18. Longer tags would hide no more either: numbers are few enough to be
    tried one by one, so what protects them is the key, not the length.
    """

    __slots__ = ("_former", "_key", "_keyed")

    def __init__(self, key: bytes, former: tuple[bytes, ...] = ()) -> None:
        for each in (key, *former):
            if len(each) < 32:
                raise ValueError(f"the key has {len(each)} bytes: expected at least 32")
        self._key = key
        self._former = former
        self._keyed = tuple(map(_keyed, (key, *former)))

    def tag(self, e164: str) -> bytes:
        """The 16-byte tag of a number in the E.164 form of ``normalise``; ValueError for any other form."""
        return _tag(self._keyed[0], e164)

    def former_tags(self, e164: str) -> tuple[bytes, ...]:
        """The tags the number had under keys in use before, which sessions may still carry."""
        return tuple(_tag(keyed, e164) for keyed in self._keyed[1:])

    def tags(self, e164s: Iterable[str]) -> list[bytes]:
        """``tag`` of many numbers."""
        keyed = self._keyed[0]
        return [_tag(keyed, e164) for e164 in e164s]

    @property
    def has_former_keys(self) -> bool:
        """Whether keys were in use before."""
        return bool(self._former)

    def knows(self, other: Tagger) -> bool:
        """Whether tags that ``other`` makes are recognised here: its key is this one's, or a former one."""
        return other._key in (self._key, *self._former)

    def same_key(self, other: Tagger | None) -> bool:
        """Whether both make the same tags."""
        return other is not None and other._key == self._key

    def __repr__(self) -> str:
        return "Tagger(key hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Tagger holds a secret key and is never serialised")


_Keyed = tuple["hashlib._Hash", "hashlib._Hash"]


def _keyed(key: bytes) -> _Keyed:
    """The two hashes of RFC 2104 §4, begun with the key: hmac.digest would do so again for each number."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner, outer = (hashlib.sha256(bytes(octet ^ pad for octet in block)) for pad in (0x36, 0x5C))
    return inner, outer


def _tag(keyed: _Keyed, e164: str) -> bytes:
    if not e164.startswith("+"):
        raise ValueError("only a number in E.164 form has a tag")
    inner, outer = keyed
    inner = inner.copy()
    inner.update(e164.encode("ascii"))
    outer = outer.copy()
    outer.update(inner.digest())
    return outer.digest()[:TAG_BYTES]
