"""The sketch: how far its estimates are off, and what it never does."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.shadow.sketch import ERROR, Sketch


def sketch(things: Iterable[object]) -> Sketch:
    made = Sketch()
    for thing in things:
        made.add(int.from_bytes(hashlib.blake2b(repr(thing).encode(), digest_size=8).digest()))
    return made


@pytest.mark.parametrize("count", [20, 200, 2_000, 20_000])
def test_the_error_is_what_the_paper_says(count: int) -> None:
    rounds = 12
    errors = [sketch((number, seed) for number in range(count)).estimate() / count - 1 for seed in range(rounds)]
    # The mean of twelve errors is within three of its own standard deviations.
    assert abs(statistics.fmean(errors)) < 3 * ERROR / rounds**0.5
    assert statistics.pstdev(errors) < 2 * ERROR


def test_an_empty_sketch_counts_nothing() -> None:
    assert Sketch().estimate() == 0
    assert Sketch().at_least == 0


@given(st.lists(st.integers(0, 2**64 - 1), max_size=60))
def test_never_more_for_certain_than_there_were(digests: list[int]) -> None:
    made = Sketch()
    for digest in digests:
        made.add(digest)
    assert made.at_least <= len(set(digests))


@given(st.sets(st.integers(0, 500)), st.sets(st.integers(0, 500)))
def test_merged_sketches_are_the_sketch_of_all(one: set[int], other: set[int]) -> None:
    merged = sketch(one)
    merged.merge(sketch(other))
    both = sketch(one | other)
    assert (merged.at_least, merged.estimate()) == (both.at_least, both.estimate())
