"""What is made from the code is as the code is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.reference import PAGES, keys
from enforcer.config import Config


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_up_to_date(repository: Path, page: str) -> None:
    said = (repository / "docs" / page).read_text(encoding="utf-8")
    assert said == PAGES[page](), "write it anew: python -m docs.reference"


def test_every_setting_has_its_place_and_a_description(repository: Path) -> None:
    said = (repository / "docs" / "configuration.md").read_text(encoding="utf-8")
    for key in keys():
        assert f"# `{key}`\n\n" in said
        assert f"# `{key}`\n\nNone" not in said


def test_the_keys_are_those_of_the_tree() -> None:
    assert {key.partition(".")[0].removesuffix("[]") for key in keys()} == set(Config.model_fields)
    assert {"registry.grace", "lines[].class", "radius.clients[].secret_file"} <= set(keys())
