"""The report: what it says of synthetic days, in numbers and in words, and what it never does."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from enforcer.fingerprints.detection import Family
from enforcer.policy import Reason
from enforcer.shadow import advice as advice_module
from enforcer.shadow.advice import about, advice
from enforcer.shadow.chart import chart
from enforcer.shadow.coverage import Recorded, Watched
from enforcer.shadow.ledger import MERGED, Distinct, Total
from enforcer.shadow.page import page
from enforcer.shadow.report import Group, Records, Report, Subscribers, make
from enforcer.shadow.totals import DAY, HOUR, Cell, Outcome
from tests.unit.shadow import weeks
from tests.unit.shadow.handshakes import REFUSED

DAY_ONE = 20_000 * DAY
WOULD, DONE = Outcome.WOULD_REFUSE, Outcome.REFUSED


def records(
    *people: tuple[int, int, Outcome, int],
    hours: tuple[float, ...] = (24, 24, 24),
    recorded: Recorded | None = None,
) -> Records:
    """Figures of WireGuard's not registered on leased lines: (day, part, outcome, subscribers)."""
    cells = [
        Total(
            DAY_ONE + day * DAY,
            DAY_ONE + day * DAY,
            Cell("wireguard", "any", "not_registered", "leased", what),
            90,
            n,
        )
        for day, _, what, n in people
    ]
    groups = [
        (family, reason, line)
        for family in ("wireguard", MERGED)
        for reason in ("not_registered", MERGED)
        for line in ("leased", MERGED)
    ]
    distinct = [
        Distinct(DAY_ONE + day * DAY, part, *group, what, n) for day, part, what, n in people for group in groups
    ]
    watched = [
        Watched(DAY_ONE + day * DAY, family, seconds * HOUR, seconds * HOUR)
        for day, seconds in enumerate(hours)
        for family in Family
    ]
    return Records(cells, distinct, watched, recorded or Recorded())


def report(made: Records, days: int = 3) -> Report:
    return make(made, DAY_ONE + 60, DAY_ONE + days * DAY - 60, 7.0 * DAY)


def test_a_day_with_restarts_lies_between_its_largest_part_and_their_sum() -> None:
    made = report(records((0, 1, WOULD, 100), (0, 2, WOULD, 60), (1, 3, WOULD, 120)))
    assert made.refused.days == (Subscribers(100, 160), Subscribers(120, 120), None)
    assert made.refused.busiest == Subscribers(120, 120)


def test_a_typical_day_is_one_that_was_watched_whole() -> None:
    people = ((0, 1, WOULD, 30), (1, 2, WOULD, 200), (2, 3, WOULD, 220))
    assert report(records(*people, hours=(3, 24, 24))).refused.typical == 200
    assert report(records(*people, hours=(3, 5, 4))).refused.typical == 200
    assert report(records(*people, hours=(0, 0, 0))).refused.typical == 200


def test_most_days_under_twenty_make_a_typical_day_under_twenty() -> None:
    made = report(records((1, 1, WOULD, 40)))
    assert made.refused.typical is None
    assert (
        about(made.refused, "subscribers") == "fewer than 20 subscribers on a typical day, about 40 on the busiest"
    )


def test_what_would_be_refused_and_what_was_are_one_number_of_a_day() -> None:
    made = report(records((0, 1, WOULD, 40), (0, 1, DONE, 50)))
    assert made.refused.days[0] == Subscribers(50, 90)
    assert made.families[0].handshakes == 180


def test_days_outside_are_left_out() -> None:
    made = make(records((0, 1, WOULD, 40), (2, 1, WOULD, 90)), DAY_ONE + 2 * DAY, DAY_ONE + 3 * DAY - 1, 0.0)
    assert made.days == (DAY_ONE + 2 * DAY,)
    assert made.handshakes == 90
    assert made.refused.typical == 90


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return weeks.week(tmp_path_factory.mktemp("week"))


def test_a_week_of_a_town_says_what_is_true_of_it(week: Report) -> None:
    truth = {
        (family, reason): sum(p.size for p in weeks.CITY if (p.family, p.reason) == (family, reason))
        for family in Family
        for reason in Reason
    }
    wireguard = week.families[0].refused
    expected = sum(truth[Family.WIREGUARD, reason] for reason in REFUSED) - truth[Family.WIREGUARD, Reason.REVOKED]
    assert wireguard.typical is not None
    # Not everybody shows up on a day, and an estimate has its error.
    assert 0.85 * expected < wireguard.typical < 1.1 * expected
    # Twelve and fourteen are suppressed, and not even their sum is told: they are of two families.
    assert Reason.REVOKED not in {each.reason for each in week.reasons}
    low, high = next((day.low, day.high) for day in wireguard.days if day is not None and day.low < day.high)
    assert low < expected < high
    assert week.watched[4] == pytest.approx(15 * HOUR)


def test_the_operators_own_faults_come_first_then_those_to_tell_then_time(week: Report) -> None:
    said = advice(week)
    assert [each.kind for each in said] == ["mend"] * 3 + ["tell"] * 4 + ["wait"]
    assert said[0].title == "Find the access servers that send no accounting"
    assert [each.title for each in said[3:7]] == [
        "Remind the holders of ended registrations",
        "Tell the holders of registrations that no longer count",
        "Look at registrations limited to other protocols",
        "Give public notice",
    ]
    assert said[-1].title == "Watch WireGuard, OpenVPN and IPsec for longer"
    assert "6 d 12 h of 7 d" in said[-1].text


def test_every_reason_that_can_be_counted_has_its_advice_or_needs_none() -> None:
    spoken = {*advice_module.MEND, *advice_module.TELL}
    silent = {Reason.REGISTERED, Reason.NO_ROUTE}
    about_nobody = {Reason.EXEMPT, Reason.AWAITING_ANSWER, Reason.NOT_A_HANDSHAKE, Reason.SUBSCRIBERS_IPV6_IPSEC}
    assert spoken | silent | about_nobody == set(Reason)
    assert not spoken & silent
    assert set(advice_module.TELL) >= REFUSED


class _Page(HTMLParser):
    """What a page loads, runs or leaves open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.plots = 0
        self.labelled: list[str | None] = []
        self.ids: set[str | None] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids.add(found.get("id"))
        if tag == "svg":
            self.plots += 1
            self.labelled.append(found.get("aria-labelledby"))
        self.loads += [f"{tag} {name}" for name in ("src", "href", "srcset", "onclick") if name in found]
        if tag in ("script", "iframe", "object", "link", "img"):
            self.loads.append(tag)
        if tag not in ("meta", "br", "line", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "rect"):
            assert self.open.pop() == tag


@pytest.mark.parametrize("days", ["week", "first_morning", "nothing_yet"])
def test_the_page_is_whole_and_loads_nothing(tmp_path: Path, week: Report, days: str) -> None:
    text = page(week if days == "week" else getattr(weeks, days)(tmp_path))
    read = _Page(text)
    assert read.open == []
    assert read.loads == []
    assert read.plots == 3
    assert set(read.labelled) <= read.ids
    assert not re.search(r"url\(|@import|https?:", text)


def test_the_name_of_a_line_is_text_and_nothing_else() -> None:
    made = records((0, 1, WOULD, 40))
    evil = "<script>x</script>"
    made = Records(
        [
            Total(each.first, each.last, each.cell._replace(line=evil), each.decisions, each.subscribers)
            for each in made.totals
        ],
        made.distinct,
        made.watched,
        made.recorded,
    )
    text = page(report(made))
    assert evil not in text
    assert "&lt;script&gt;" in text


def test_a_chart_has_a_bar_for_each_day_and_a_round_scale() -> None:
    days = tuple(DAY_ONE + number * DAY for number in range(60))
    found: list[Subscribers | None] = [Subscribers(100 + n, 100 + 2 * n) for n in range(58)]
    made = chart(days, [*found, None, None], [3600.0] * 59 + [0.0], 214)
    assert [bar.state for bar in made.bars[-3:]] == ["subscribers", "few", "unwatched"]
    assert [line.number for line in made.scale] == ["0", "50", "100", "150", "200", "250"]
    assert all(bar.sure <= bar.top for bar in made.bars)
    assert not made.numbered
    assert sum(bool(bar.label) for bar in made.bars) == 12


def test_nothing_at_all_makes_a_chart_too() -> None:
    made = chart((DAY_ONE,), (None,), (0.0,), 0)
    assert [line.number for line in made.scale] == ["0", "10", "20"]
    assert len(made.gaps) == 1


def test_numbers_in_words() -> None:
    days = (Subscribers(1240, 1240),)
    assert about(Group(None, None, (None,))) == "fewer than 20, or nobody"
    assert about(Group(1240, days[0], days)) == "about 1,240 a day"
    assert about(Group(900, days[0], days), "people") == "about 900 people on a typical day, 1,240 on the busiest"
