"""The end of `enforcer run`, for whoever starts it again: systemd does not after exit codes 1 and 3."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from enforcer import core_dumps, logs
from enforcer.cli import main
from enforcer.gateway import forgetting, preflight
from enforcer.gateway.daemon import Daemon, StartError

UNIT = Path(__file__).parents[3] / "systemd" / "enforcer.service"


@pytest.mark.parametrize(
    ("error", "code", "again"), [(RuntimeError("unforeseen"), 70, True), (StartError("no"), 3, False)]
)
def test_a_fault_of_ours_is_worth_another_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, again: bool
) -> None:
    def failing(self: Daemon) -> None:  # noqa: ARG001
        raise error

    path = tmp_path / "enforcer.yaml"
    path.write_text("mode: monitor\n")
    for module, what in ((forgetting, "ensure"), (core_dumps, "forbid"), (logs, "to_standard_error")):
        monkeypatch.setattr(module, what, lambda: None)
    monkeypatch.setattr(preflight, "obstacles", lambda config: ())  # noqa: ARG005
    monkeypatch.setattr(Daemon, "run", failing)
    assert CliRunner().invoke(main, ["run", "--config", str(path)]).exit_code == code
    (prevented,) = (line for line in UNIT.read_text().splitlines() if line.startswith("RestartPrevent"))
    assert (str(code) not in prevented.partition("=")[2].split()) == again
