"""What the elements of an interval set cover, and addresses as the daemon keeps them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from enforcer.gateway.invariant import Range, covered, keys, union

BITS = 8
_ranges = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)).map(lambda ends: (min(ends), max(ends))))


def holds(ranges: list[Range]) -> set[int]:
    return {address for first, last in ranges for address in range(first, last + 1)}


@given(_ranges)
def test_a_union_covers_the_same_in_as_few_ranges_as_can_be(ranges: list[Range]) -> None:
    found = union(ranges)
    assert holds(found) == holds(ranges)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(found))


@given(_ranges.map(union), st.booleans(), st.randoms(use_true_random=False))
def test_elements_of_an_interval_set_are_read_as_the_kernel_keeps_them(
    ranges: list[Range], split: bool, order: object
) -> None:
    points = []
    for first, last in ranges:
        middle = (first + last) // 2
        # Neighbours that touch stay two intervals in the kernel; the last one may have no end.
        for begin, end in ((first, middle), (middle + 1, last)) if split and first < last else ((first, last),):
            points.append((begin, False))
            if end != (1 << BITS) - 1:
                points.append((end + 1, True))
    if not any(first == 0 for first, _ in ranges):
        points.append((0, True))
    order.shuffle(points)  # type: ignore[attr-defined]
    assert covered(points, BITS) == ranges


def test_addresses_come_ascending_and_each_once() -> None:
    assert keys(32, bytes([2, 0, 0, 1, 1, 0, 0, 2, 2, 0, 0, 1])).tolist() == [0x01000002, 0x02000001]
    prefix = bytes.fromhex("20010db8000000010000000000000000")
    assert keys(64 + 64, prefix + prefix).tolist() == [0x20010DB8_00000001]
    assert keys(64 + 128, prefix[:-1] + b"\1" + prefix).view("V16").tolist() == [prefix, prefix[:-1] + b"\1"]
    assert keys(32, b"").tolist() == []
