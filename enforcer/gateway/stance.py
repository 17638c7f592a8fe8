"""Says in the log, once whenever it changes, whether each family named is really refused."""

from __future__ import annotations

import logging

from enforcer.config import Config
from enforcer.fingerprints.detection import Family
from enforcer.log_events import named
from enforcer.policy import HeldBack, Policy
from enforcer.shadow.coverage import progress

log = logging.getLogger(__name__)


class Stance:
    """What was said last, family by family."""

    def __init__(self) -> None:
        self._said: dict[Family, HeldBack | None] = {}

    def report(self, config: Config, policy: Policy, now: float) -> None:
        """Say what changed by ``now``, epoch seconds."""
        for family in config.enforce:
            held_back = policy.held_back(family, now)
            if family in self._said and self._said[family] == held_back:
                continue
            self._said[family] = held_back
            if held_back is HeldBack.WIFI_CALLING:
                log.warning(
                    "IPSEC IS NOT ENFORCED: it carries everyone's Wi-Fi calling, emergency calls among it, and "
                    "the exemptions for it are not known (%s). It is monitored until they are.",
                    policy.exemptions.wifi_calling_missing(now),
                    extra=named("not_enforcing", family=str(family), reason=str(held_back)),
                )
            elif held_back is HeldBack.SHADOW:
                shadowed = 0.0 if policy.shadow is None else policy.shadow.shadowed(family)
                log.warning(
                    "%s IS NOT ENFORCED: it is only watched for the shadow period first (%s). Time counts while "
                    "lines are declared and the list is loaded and fresh; then it is enforced. What that will do: "
                    "enforcer report",
                    family.upper(),
                    progress(config.shadow, shadowed),
                    extra=named("not_enforcing", family=str(family), reason=str(held_back)),
                )
            elif held_back is None:
                log.info("enforcing %s", family, extra=named("enforcing", family=str(family)))

    def summary(self, config: Config, policy: Policy, now: float) -> str:
        """One line of how things stand at ``now``, epoch seconds."""
        held_back = {family: policy.held_back(family, now) for family in Family}
        refused = [str(family) for family, why in held_back.items() if why is None]
        if not refused:
            return f"mode {config.mode}: refusing nothing, only watching"
        watched = [f"{family} ({why})" for family, why in held_back.items() if why is not None]
        return f"mode {config.mode}: refusing {', '.join(refused)}" + (
            f"; only watching {', '.join(watched)}" if watched else ""
        )

    def say_again(self) -> None:
        """Say everything again at the next report: a configuration was put in force."""
        self._said.clear()
