"""Days and instants, as a list writes them, to seconds since the epoch (UTC)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from enforcer.registry.characters import foreign_character

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_WITHOUT_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII)
_FIRST_YEAR = 1970
_LAST_YEAR = 9998

_EXPECTED = "expected a day (YYYY-MM-DD) or an RFC 3339 date-time with its offset (2025-07-01T09:00:00+05:00)"


def parse_start(text: str, timezone: tzinfo) -> float:
    """The instant something begins: of a day its first moment in ``timezone``; of a date-time itself.

    Raises ValueError for any other form, for days that do not exist and for years before 1970 or after 9998.
    """
    return _parse(text, timezone, 0)


def parse_end(text: str, timezone: tzinfo) -> float:
    """The first instant after something ended: of a day, which is included, the first moment of the next.

    Raises ValueError as ``parse_start`` does.
    """
    return _parse(text, timezone, 1)


def parse_instant(text: str) -> float:
    """An RFC 3339 date-time (§5.6), which carries its offset. Raises ValueError for any other form."""
    if not _INSTANT.fullmatch(text):
        if _WITHOUT_OFFSET.fullmatch(text):
            raise ValueError("the date-time has no offset: write it with Z or +HH:MM at its end")
        raise ValueError("expected an RFC 3339 date-time with its offset (2025-07-01T09:00:00+05:00)")
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(f"no such date-time: {error}") from None
    _check_year(moment.year)
    return moment.timestamp()


@lru_cache(maxsize=4096)
def _parse(text: str, timezone: tzinfo, days: int) -> float:
    if not text.isascii():
        raise ValueError(foreign_character(text))
    if _DAY.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"no such day: {error}") from None
        _check_year(day.year)
        day += timedelta(days=days)
        return datetime(day.year, day.month, day.day, tzinfo=timezone).timestamp()
    if text[4:5] == "-" and text[10:11] in "Tt ":
        return parse_instant(text)
    raise ValueError(_EXPECTED)


def _check_year(year: int) -> None:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(
            f"the year is not between {_FIRST_YEAR} and {_LAST_YEAR}: leave the field empty for no limit"
        )
