"""docs/reason-codes.md has every code's answer, and docs/explain.schema.json the form of `explain --json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from enforcer.explanation import AddressExplanation, Explanation, NumberExplanation
from enforcer.policy import HeldBack, Reason
from enforcer.reasons import HELD_BACK, REASONS, Words

ANEW = "write it anew: python -m tests.unit.explain.test_documented_answers"
CODES, SCHEMA = "docs/reason-codes.md", "docs/explain.schema.json"

REFUSE = frozenset(
    {Reason.NOT_REGISTERED, Reason.NOT_YET_VALID, Reason.OTHER_PROTOCOL, Reason.OTHER_PEER, Reason.ENDED,
     Reason.REVOKED}
)  # fmt: skip

HEAD = """# Reason codes

Every decision has one of these codes: in `enforcer explain`, the log, the metrics and the report. Made from
`enforcer/reasons.py`. What the help desk reads out is in *italics*; what stands in braces is filled in.
"""

PARTS = (
    (
        "Refused",
        "The subscriber's line has a way to register, the list is loaded and fresh, and no entry of it counts.",
    ),
    ("Let through", "Registered, exempt, or not known for certain: nobody is refused for what is not known."),
    (
        "Held back",
        "What would be refused is let through all the same. The code stands beside one of those under *Refused*.",
    ),
)


def reason_codes() -> str:
    """The page."""
    refused = [code for code in Reason if code in REFUSE]
    accepted = [code for code in Reason if code not in REFUSE]
    groups: tuple[Iterable[tuple[Reason | HeldBack, Words]], ...] = (
        [(code, REASONS[code]) for code in refused],
        [(code, REASONS[code]) for code in accepted],
        HELD_BACK.items(),
    )
    text = HEAD
    for (title, about), group in zip(PARTS, groups, strict=True):
        text += f"\n## {title}\n\n{about}\n"
        for code, words in group:
            text += f"\n### `{code}`\n\n{words.meaning}\n\n- What changes it: {words.change}\n- *{words.aloud}*\n"
    return text


def schema() -> str:
    """The form, as JSON Schema."""
    adapter: TypeAdapter[AddressExplanation | NumberExplanation] = TypeAdapter(Explanation)
    return json.dumps(adapter.json_schema(mode="serialization"), indent=2) + "\n"


def test_the_codes_are_up_to_date(repository: Path) -> None:
    assert (repository / CODES).read_text(encoding="utf-8") == reason_codes(), ANEW


def test_the_schema_is_up_to_date(repository: Path) -> None:
    assert json.loads((repository / SCHEMA).read_text(encoding="utf-8")) == json.loads(schema()), ANEW


if __name__ == "__main__":
    Path(CODES).write_text(reason_codes(), encoding="utf-8")
    Path(SCHEMA).write_text(schema(), encoding="utf-8")
