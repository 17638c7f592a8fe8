"""Numbers and session ids to what stands for them: the key's holder can repeat it, nobody can undo it."""

from __future__ import annotations

import hmac
from typing import NoReturn

from enforcer.subscribers.number import Tagger, normalise

_SESSION_BYTES = 12
"""Of HMAC-SHA256: among a million sessions two share it with a probability below 10^-16."""


class Pseudonyms:
    """Tags of numbers and digests of session ids, under one secret key.

    Session ids are digested because access servers are free to put a number or an IMSI into them (RFC 2866 §5.5
    asks only that they be unique).
    """

    __slots__ = ("_key", "_region", "_tagger")

    def __init__(self, key: bytes, region: str) -> None:
        """``region`` is the ISO 3166-1 alpha-2 code of where local numbers belong. ValueError for a short key."""
        self._key = key
        self._region = region
        self._tagger = Tagger(key)

    def number(self, text: str) -> bytes:
        """The tag of a number as an access server writes it; of ``user@realm``, the user.

        Raises ValueError for what is not a mobile number.
        """
        return self._tagger.tag(normalise(text.partition("@")[0], self._region))

    def session(self, octets: bytes) -> str:
        """What stands for an Acct-Session-Id."""
        return hmac.digest(self._key, b"Acct-Session-Id " + octets, "sha256")[:_SESSION_BYTES].hex()

    def __repr__(self) -> str:
        return "Pseudonyms(key hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Pseudonyms hold a secret key and are never serialised")
