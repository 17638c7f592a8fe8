"""The listener holds numbers for a moment: it forbids core dumps before it reads anything."""

from __future__ import annotations

import pytest

from enforcer import core_dumps
from enforcer.subscribers.radius import __main__ as listener


class Forbidden(Exception):
    """Said before anything else."""


def test_the_listener_forbids_core_dumps_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid() -> None:
        raise Forbidden

    monkeypatch.setattr(core_dumps, "forbid", forbid)
    monkeypatch.setattr("sys.argv", [])
    with pytest.raises(Forbidden):
        listener.main()
