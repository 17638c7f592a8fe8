"""Numbers: every way to write one is the same number, and none of it shows afterwards."""

from __future__ import annotations

import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.subscribers.number import Tagger, masked, normalise, redact

KEY = bytes(range(64))


@given(st.integers(0, 9999999).map("{:07d}".format), st.data())
def test_every_form_of_a_number_normalises_to_one(rest: str, data: st.DataObject) -> None:
    subscriber = f"300{rest}"
    prefix = data.draw(st.sampled_from(["", "0", "92", "+92", "0092", "+92 ", "0092-", "+920", "92 "]))
    gap = data.draw(st.sampled_from(["", " ", "-", ".", ") "]))
    opening = "(" if gap == ") " else ""
    body = f"{subscriber[:3]}{gap}{subscriber[3:6]}{gap.strip(')')}{subscriber[6:]}"
    assert normalise(f"{opening}{prefix}{body}", "PK") == f"+92{subscriber}"


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("07400 123456", "GB", "+447400123456"),
        ("+447400123456", "PK", "+447400123456"),
        ("0044 7400 123456", "PK", "+447400123456"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("81234567", "SG", "+6581234567"),
        ("  0300-1234567\t", "PK", "+923001234567"),
    ],
)
def test_other_regions_and_international_forms(text: str, region: str, expected: str) -> None:
    assert normalise(text, region) == expected


@pytest.mark.parametrize(
    ("text", "region", "message"),
    [
        ("0300123456", "PK", "…56 is not a valid number: expected international form (+, country code, number) "
            "or a local form of region PK"),
        ("+92300123456789", "PK", "…89 is not a valid number"),
        ("+999 123456789", "PK", "…89 is not a valid number"),
        ("+ - + 1", "PK", "… is not written as a number"),
        ("021 34567890", "PK", "…90 is not a mobile number but of the kind 'fixed line': "
            "only mobile numbers register"),
        ("0800 12345", "PK", "…45 is not a mobile number but of the kind 'toll free'"),
        ("0300 1234567 ext. 5", "PK", "…75 is not written as a number: expected digits"),
        ("0300\u200b1234567", "PK", "…67 has the character U+200B (ZERO WIDTH SPACE)"),
        ("\u0660\u0663\u0660\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667", "PK",
            "U+0660 (ARABIC-INDIC DIGIT ZERO)"),
        ("", "PK", "… is not written as a number"),
        ("1" * 1000, "PK", "…11 is not written as a number"),
        ("03001234567", "Pakistan", "unknown region 'Pakistan': expected an ISO 3166-1 alpha-2 code such as 'PK'"),
    ],
)  # fmt: skip
def test_what_is_not_a_mobile_number_is_refused_without_showing_it(text: str, region: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole wording is compared below)
        normalise(text, region)
    assert message in str(caught.value)
    assert caught.value.__cause__ is None
    digits = "".join(character for character in text if character.isdigit())
    assert not digits or digits[-3:] not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_gives_a_mobile_number_or_a_value_error(text: str) -> None:
    try:
        e164 = normalise(text, "PK")
    except ValueError:
        return
    assert e164.startswith("+")
    assert e164[1:].isascii()
    assert e164[1:].isdigit()
    assert normalise(e164, "PK") == normalise(e164, "US") == e164


def test_a_tag_is_hmac_sha256_truncated_to_16_bytes() -> None:
    # RFC 2104 §2 by hand: H((K ^ opad) || H((K ^ ipad) || text)), the key being exactly one block long.
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in KEY) + b"+923001234567").digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in KEY) + inner).digest()
    assert Tagger(KEY).tag("+923001234567") == outer[:16]


def test_tags_differ_by_number_and_by_key() -> None:
    tagger = Tagger(KEY)
    assert tagger.tag("+923001234567") != tagger.tag("+923001234568")
    assert tagger.tag("+923001234567") != Tagger(KEY[::-1]).tag("+923001234567")


def test_only_the_normal_form_has_a_tag() -> None:
    with pytest.raises(ValueError, match=r"only a number in E\.164 form has a tag"):
        Tagger(KEY).tag("03001234567")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="the key has 31 bytes: expected at least 32"):
        Tagger(bytes(31))


def test_the_key_does_not_show() -> None:
    tagger = Tagger(KEY)
    assert repr(tagger) == str(tagger) == "Tagger(key hidden)"
    with pytest.raises(TypeError, match="never serialised"):
        pickle.dumps(tagger)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call 0300 1234567 now", "call …67 now"),
        ("+92 (300) 123-4567", "…67"),
        ("card 42201-1234567-1.", "card …71."),
        ("نمبر03001234567", "نمبر…67"),
        ("03001234567Ahmed", "…67Ahmed"),
        ("since 2026-01-31 10:30", "since 2026-01-31 10:30"),
        ("from 31-01-2026 on", "from 31-01-2026 on"),
        ("198.51.100.7 and 2001:db8::1", "198.51.100.7 and 2001:db8::1"),
        ("contract 2026/0001, 3 routers", "contract 2026/0001, 3 routers"),
    ],
)
def test_numbers_in_free_text_are_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(st.text())
def test_a_masked_number_shows_at_most_two_digits(text: str) -> None:
    assert sum(character.isdigit() for character in masked(text)) <= 2
