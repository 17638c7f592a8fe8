"""Destinations left alone for everyone: operators' prefixes, and names with the addresses they resolve to.

Wi-Fi calling comes first: phones reach their network's ePDG or N3IWF over IKEv2, and some of those calls are
emergency calls. IPsec is not enforced while these addresses are not known: those of the operator's own networks
to the last name, those of the rest of the world, visitors' networks, as far as they can be had. Sans-IO: answers
are put in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from enforcer.config import ExemptConfig
from enforcer.config_fields import Network
from enforcer.exempt_answers import MAX_ADDRESSES, judge
from enforcer.mobile_networks import is_emergency, wifi_calling_names
from enforcer.registry.prefixes import PrefixMap

ANSWER_MAX_AGE = 7 * 86400.0
"""Seconds after which an own name's last definite answer no longer counts as knowing it."""

ADDRESS_KEPT = 86400.0
"""Seconds an address stays exempt after a newer answer left it out: phones hold on to what they resolved."""

TRIES = 3
"""Failures after which another network's name without any answer yet no longer holds IPsec back: a dead server
abroad must not do so for ever."""

ANSWERED_SHARE = 0.9
"""Share of the other networks' names that must have had an answer all the same. Single dead servers stay far
below; a gateway that is cut off from the world does not."""

MAX_TOTAL = 20_000
"""Addresses exempt by name at most. All the ePDGs of the world are a few thousand: with more, somebody lies."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a name: when its last definite answer came, and when each address was last in one.

    Epoch seconds; ``answered`` is None when there were incomplete answers only.
    """

    answered: float | None
    addresses: Mapping[bytes, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Census:
    """Totals over one class of names; ``oldest`` is the epoch time of the oldest of their last answers."""

    names: int
    answered: int
    resolved: int
    oldest: float | None


class Exemptions:
    """What is exempt now. ``answer`` puts in what a name resolved to; nothing else changes it.

    ``others`` are the names of networks the operator did not configure. ``known`` is what an earlier one knew:
    of the names that are still asked for, nothing is forgotten.
    """

    def __init__(
        self, config: ExemptConfig, others: Sequence[str] = (), known: Mapping[str, Known] | None = None
    ) -> None:
        calling = config.wifi_calling
        derived = [name for network in calling.networks for name in wifi_calling_names(network)]
        self._calling_names = tuple(dict.fromkeys([*derived, *calling.names]))
        self._names = tuple(dict.fromkeys([*self._calling_names, *config.names]))
        own = frozenset(self._names)
        self._others = tuple(name for name in dict.fromkeys(others) if name not in own)
        self.prefixes: tuple[Network, ...] = (*config.prefixes, *calling.prefixes)
        self._prefixes: PrefixMap[bool] = PrefixMap()
        for prefix in self.prefixes:
            self._prefixes.add(prefix, True)
        self._seen: dict[str, dict[bytes, float]] = {name: {} for name in (*self._names, *self._others)}
        self._answered: dict[str, float] = {}
        self._holders: Counter[bytes] = Counter()
        self._addresses: frozenset[bytes] | None = None
        # Other networks' names without any answer yet, with how often they failed.
        self._unanswered = dict.fromkeys(self._others, 0)
        self._untried = len(self._others)
        self.refused: dict[str, str] = {}
        for name, before in (known or {}).items():
            self._restore(name, before)

    @property
    def names(self) -> tuple[str, ...]:
        """The names the operator asked for, Wi-Fi calling's emergency names first."""
        return self._names

    @property
    def others(self) -> tuple[str, ...]:
        """The names of all other networks, in the order given, but those longest without an answer first."""
        return tuple(sorted(self._others, key=lambda name: self._answered.get(name, float("-inf"))))

    @property
    def addresses(self) -> frozenset[bytes]:
        """The addresses (4 or 16 bytes) the names stand for."""
        if self._addresses is None:
            self._addresses = frozenset(self._holders)
        return self._addresses

    def answer(self, name: str, addresses: Sequence[bytes], now: float, complete: bool = True) -> bool:
        """Take in an answer for a name (no address when it does not exist), at ``now`` in epoch seconds.

        An incomplete one, where some question about the name failed, adds addresses and counts as no answer. An
        empty one removes no address: a name that stops resolving keeps its last ones. What ``judge`` does not
        believe is left out, and ``refused`` says so. Returns whether the exempt addresses changed. Names nobody
        asked for are ignored.
        """
        if name not in self._seen:
            return False
        judged = judge(addresses)
        if judged.refused is None:
            self.refused.pop(name, None)
        else:
            self.refused[name] = judged.refused
        if complete and (judged.addresses or not addresses):
            self._answered[name] = now
            if name in self._unanswered and self._unanswered.pop(name) < TRIES:
                self._untried -= 1
        else:
            self.failed(name)
        kept = self._seen[name]
        if judged.addresses and complete:
            kept = {address: at for address, at in kept.items() if now - at < ADDRESS_KEPT}
        return self._hold(name, _newest({**kept, **dict.fromkeys(judged.addresses, now)}))

    def failed(self, name: str) -> None:
        """A name got no definite answer: its last addresses stay."""
        if name in self._unanswered:
            self._unanswered[name] += 1
            if self._unanswered[name] == TRIES:
                self._untried -= 1

    def covers(self, address: bytes) -> bool:
        """Whether flows to or from this address (4 or 16 bytes) are left alone."""
        return address in self._holders or bool(self._prefixes.covering(address))

    def wifi_calling_missing(self, now: float) -> str | None:
        """What keeps the Wi-Fi calling exemptions from being known at ``now``; None when they are."""
        if not self._calling_names:
            return "exempt.wifi_calling names no mobile network"
        unknown = [name for name in self._calling_names if self._stale(name, now)]
        if unknown:
            why = f" ({self.refused[unknown[0]]})" if unknown[0] in self.refused else ""
            return f"{len(unknown)} of {len(self._calling_names)} names not answered yet, first {unknown[0]}{why}"
        resolved = [name for name in self._calling_names if self._seen[name]]
        if not any(is_emergency(name) for name in resolved):
            return "no emergency name (sos.…) has an address"
        if all(is_emergency(name) for name in resolved):
            return "no ePDG or N3IWF name has an address"
        return self._others_missing()

    def known(self) -> dict[str, Known]:
        """What is known of every name of which anything is."""
        return {
            name: Known(self._answered.get(name), dict(seen))
            for name, seen in self._seen.items()
            if seen or name in self._answered
        }

    def census(self) -> dict[str, Census]:
        """Totals: ``own`` for the names the operator asked for, ``others`` for all other networks'."""
        return {"own": self._census(self._names), "others": self._census(self._others)}

    def _census(self, names: Sequence[str]) -> Census:
        answered = [self._answered[name] for name in names if name in self._answered]
        resolved = sum(1 for name in names if self._seen[name])
        return Census(len(names), len(answered), resolved, min(answered, default=None))

    def _others_missing(self) -> str | None:
        if len(self._holders) >= MAX_TOTAL:
            return f"{MAX_TOTAL} addresses or more stand behind names: the resolver's answers are not believable"
        if self._untried:
            return f"{self._untried} of {len(self._others)} names of other mobile networks not asked for yet"
        answered = len(self._others) - len(self._unanswered)
        if answered < ANSWERED_SHARE * len(self._others):
            return f"only {answered} of {len(self._others)} names of other mobile networks have had an answer"
        return None

    def _stale(self, name: str, now: float) -> bool:
        return now - self._answered.get(name, float("-inf")) > ANSWER_MAX_AGE

    def _hold(self, name: str, seen: dict[bytes, float]) -> bool:
        before = self._seen[name]
        added = [address for address in seen if address not in before and address not in self._holders]
        room = MAX_TOTAL - len(self._holders)
        for address in added[room:]:
            del seen[address]
        self._seen[name] = seen
        self._holders.update(seen.keys() - before.keys())
        gone = False
        for address in before.keys() - seen.keys():
            self._holders[address] -= 1
            if not self._holders[address]:
                del self._holders[address]
                gone = True
        changed = gone or bool(added[:room])
        if changed:
            self._addresses = None
        return changed

    def _restore(self, name: str, before: Known) -> None:
        if name not in self._seen:
            return
        believed = judge(list(before.addresses)).addresses
        self._hold(name, {address: before.addresses[address] for address in believed})
        if before.answered is not None:
            self._answered[name] = before.answered
            if name in self._unanswered:
                del self._unanswered[name]
                self._untried -= 1


def _newest(seen: dict[bytes, float]) -> dict[bytes, float]:
    """At most MAX_ADDRESSES of a name, the last seen: one that changes with every answer must not pile up."""
    if len(seen) <= MAX_ADDRESSES:
        return seen
    newest: Iterable[tuple[bytes, float]] = sorted(seen.items(), key=lambda item: item[1])[-MAX_ADDRESSES:]
    return dict(newest)
