"""The usual forms of numbers: wherever they match, phonenumbers comes to the same."""

from __future__ import annotations

from unittest import mock

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata, PhoneNumberType

from enforcer.subscribers import number
from enforcer.subscribers.numbering import _NEVER, usual_forms

KINDS = (
    PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.PAGER, PhoneNumberType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER, PhoneNumberType.UAN, PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE,
)  # fmt: skip
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


def parsed(text: str, region: str) -> str | None:
    with mock.patch.object(number, "usual_forms", return_value=(_NEVER, "")):
        try:
            return number.normalise(text, region)
        except ValueError:
            return None


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, str]:
    """Numbers near real ones of a region, in many forms."""
    region = draw(st.sampled_from(REGIONS))
    plan = PhoneMetadata.metadata_for_region(region)
    assert plan is not None
    examples = [phonenumbers.example_number_for_type(region, kind) for kind in KINDS]
    digits = list(phonenumbers.national_significant_number(draw(st.sampled_from([e for e in examples if e]))))
    for _ in range(draw(st.integers(0, 3))):
        digits[draw(st.integers(0, len(digits) - 1))] = draw(st.sampled_from("0123456789"))
    if draw(st.integers(0, 7)) == 0:
        digits.insert(draw(st.integers(0, len(digits))), draw(st.sampled_from("0123456789")))
    code, prefix = str(plan.country_code), plan.national_prefix or ""
    before = draw(
        st.sampled_from([f"+{code}", f"+{code}", code, prefix, "", "0", f"+{code}{prefix}", f"00{code}"])
    )
    text = before + "".join(digits)
    place = draw(st.integers(1, max(1, len(text) - 1)))
    return region, text[:place] + draw(st.sampled_from(["", "", " ", "-", "--", " - "])) + text[place:]


@settings(max_examples=1000, deadline=None)
@given(numbers())
def test_a_usual_form_is_what_the_parser_makes_of_it(case: tuple[str, str]) -> None:
    region, text = case
    (found,) = number.normalise_all([text], region)
    assert found == parsed(text, region)


@pytest.mark.parametrize("region", ["PK", "GB", "US", "RU", "IT", "IN", "DE", "BR", "SG", "NG"])
def test_most_countries_numbers_have_usual_forms(region: str) -> None:
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    assert example is not None
    usual, before = usual_forms(region)
    text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    match = usual.fullmatch(text)
    assert match is not None
    assert before + match["national"] == text
    assert usual.fullmatch(text[1:]) is not None or region in ("US", "IT", "DE")
