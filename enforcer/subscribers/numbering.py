"""The usual forms of a country's own mobile numbers, as one pattern: a million numbers in half a second."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneMetadata

_NEVER = re.compile(r"(?!)")


@lru_cache
def usual_forms(region: str) -> tuple[re.Pattern[str], str]:
    """The forms that need no parser, and what stands before their ``national`` part in E.164 form.

    They are ``+`` and the country code, the country code alone, or the national prefix, before a number that the
    numbering plan (phonenumbers' own patterns of it) has among the mobile ones and among no others. What else its
    parser looks for is excluded, so that it would come to the same: a prefix within the number, an international
    prefix before it, digits that are a national number before the code is taken off.

    ``region`` is an ISO 3166-1 alpha-2 code; raises ValueError for an unknown one.
    """
    plan = PhoneMetadata.metadata_for_region(region) if region in phonenumbers.SUPPORTED_REGIONS else None
    if plan is None or plan.country_code is None:
        raise ValueError(f"unknown region {region!r}: expected an ISO 3166-1 alpha-2 code such as 'PK'")
    code = str(plan.country_code)
    chosen = plan.fixed_line if plan.same_mobile_and_fixed_line_pattern else plan.mobile
    mobile, general = _pattern(chosen), _pattern(plan.general_desc)
    sharing = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[plan.country_code]
    lengths = (chosen and chosen.possible_length) or (plan.general_desc and plan.general_desc.possible_length)
    if not (mobile and general and lengths) or sharing[0] != region:
        return _NEVER, ""
    others = filter(None, map(_pattern, (
        plan.premium_rate, plan.toll_free, plan.shared_cost, plan.voip, plan.personal_number, plan.pager, plan.uan,
        plan.voicemail,
    )))  # fmt: skip
    prefix = plan.national_prefix_for_parsing
    barred = ["0", *([prefix] if prefix else []), *(rf"(?:{other})\Z" for other in others)]
    length = "|".join(f"[0-9]{{{each}}}" for each in lengths)
    national = "".join(f"(?!{pattern})" for pattern in barred)
    if plan.leading_digits and len(sharing) > 1:
        national += f"(?={plan.leading_digits})"
    national += rf"(?=(?:{general})\Z)(?=(?:{length})\Z)(?:{mobile})"
    abroad = f"(?!{plan.international_prefix})" if plan.international_prefix else ""
    before = [rf"\+{code}", rf"{abroad}(?!(?:{general})\Z){code}"]
    if prefix and prefix.isdecimal() and not (code.startswith(prefix) or prefix.startswith(code)):
        before.append(f"{abroad}{prefix}")
    return re.compile(f"(?:{'|'.join(before)})(?P<national>{national})", re.ASCII), f"+{code}"


def _pattern(kind: phonenumbers.PhoneNumberDesc | None) -> str | None:
    return None if kind is None else kind.national_number_pattern
