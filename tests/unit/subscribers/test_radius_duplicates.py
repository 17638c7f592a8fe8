"""Answers kept for a while, never more than the bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from enforcer.subscribers.radius.duplicates import Duplicates, RequestKey

KEY = RequestKey("192.0.2.1", 40000, 7)


def test_the_same_request_has_its_answer_within_the_window() -> None:
    memory = Duplicates(window=30)
    memory.remember(KEY, b"a", b"answer", 100.0)
    assert memory.answer(KEY, b"a", 130.0) == b"answer"
    assert memory.answer(KEY, b"a", 130.1) is None


def test_what_differs_is_another_request() -> None:
    memory = Duplicates()
    memory.remember(KEY, b"a", b"answer", 0.0)
    assert memory.answer(KEY, b"b", 0.0) is None
    for other in (KEY._replace(port=40001), KEY._replace(identifier=8), KEY._replace(address="192.0.2.2")):
        assert memory.answer(other, b"a", 0.0) is None


def test_an_identifier_used_again_takes_the_place() -> None:
    memory = Duplicates()
    memory.remember(KEY, b"a", b"old", 0.0)
    memory.remember(KEY, b"b", b"new", 1.0)
    assert (memory.answer(KEY, b"a", 1.0), memory.answer(KEY, b"b", 1.0)) == (None, b"new")
    assert len(memory) == 1


def test_what_was_forgotten_is_unknown() -> None:
    memory = Duplicates()
    memory.remember(KEY, b"a", b"answer", 0.0)
    memory.forget(KEY)
    memory.forget(KEY)
    assert memory.answer(KEY, b"a", 0.0) is None


_STEPS = st.lists(st.tuples(st.integers(0, 9), st.binary(min_size=1, max_size=1), st.floats(0, 20)), max_size=60)


@given(_STEPS)
def test_it_is_a_bounded_window_of_the_last_requests(steps: list[tuple[int, bytes, float]]) -> None:
    memory = Duplicates(window=30, capacity=5)
    now = 0.0
    model: dict[int, tuple[bytes, float]] = {}
    for identifier, authenticator, pause in steps:
        now += pause
        key = KEY._replace(identifier=identifier)
        known = model.get(identifier)
        answer = memory.answer(key, authenticator, now)
        fresh = known is not None and known[0] == authenticator and now - known[1] <= 30
        assert answer is None or (fresh and answer == authenticator)
        if fresh and identifier in [*model][-5:]:
            assert answer == authenticator
        model.pop(identifier, None)
        model[identifier] = authenticator, now
        memory.remember(key, authenticator, authenticator, now)
        assert len(memory) <= 5
