"""The report as one HTML file: nothing is fetched, nothing runs, and it can be printed.

Jinja2 fills in the page, for it escapes what it fills in; the plots are a few lines of SVG in the page.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from enforcer import __version__
from enforcer.reasons import REASONS
from enforcer.shadow import chart
from enforcer.shadow.advice import MEND, NAMES, about, advice, share
from enforcer.shadow.coverage import lasting
from enforcer.shadow.ledger import SMALLEST, STEP
from enforcer.shadow.report import Group, Report
from enforcer.shadow.sketch import ERROR


def page(report: Report) -> str:
    """The whole file."""
    environment = Environment(
        loader=PackageLoader("enforcer.shadow", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    days = [day for family in report.families for day in family.refused.days if day is not None]
    highest = max((day.high for day in days), default=0)
    most = max((each.subscribers.typical or 0 for each in report.reasons), default=0)
    return environment.get_template("report.html.j2").render(
        report=report,
        version=__version__,
        charts=[
            (family, chart.chart(report.days, family.refused.days, report.watched, highest))
            for family in report.families
        ],
        advice=advice(report),
        geometry=chart,
        largest=most,
        names=NAMES,
        faults=MEND,
        words=REASONS,
        about=about,
        between=chart.between,
        lasting=lasting,
        share=share,
        typical=typical,
        busiest=busiest,
        date=chart.date,
        moment=moment,
        error=margin(),
        step=STEP,
        smallest=SMALLEST,
    )


def typical(group: Group) -> str:
    """A typical day's number."""
    return f"{group.typical:,}" if group.typical else "<20"


def busiest(group: Group) -> str:
    """The busiest day's number."""
    return "<20" if group.busiest is None else f"{group.busiest.low:,}"


def moment(at: float) -> str:
    """A point in time, to the minute."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def margin() -> str:
    """How far an estimate may be off, 19 times in 20: twice the sketch's standard error, and the rounding."""
    return f"{math.ceil(200 * ERROR)} percent and {STEP // 2} more"
