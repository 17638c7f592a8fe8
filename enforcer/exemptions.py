"""Destinations left alone for everyone: operators' prefixes, and names with the addresses they resolve to.

Wi-Fi calling comes first: phones reach their network's ePDG or N3IWF over IKEv2, and some of those calls are
emergency calls. IPsec is not enforced while these addresses are not known. Sans-IO: answers are put in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from enforcer.config import ExemptConfig
from enforcer.config_fields import Network
from enforcer.registry.prefixes import PrefixMap

ANSWER_MAX_AGE = 7 * 86400.0
"""Seconds after which a name's last definite answer no longer counts as knowing it."""

ADDRESS_KEPT = 86400.0
"""Seconds an address stays exempt after a newer answer left it out: phones hold on to what they resolved."""

_ROOT = "pub.3gppnetwork.org"


def wifi_calling_names(network: str) -> tuple[str, ...]:
    """The ePDG and N3IWF names of a mobile network "MCC-MNC", emergency names first.

    3GPP TS 23.003 §19.4.2.9 (ePDG) and §28.3.2.2 (N3IWF): the operator's name and the visited country's,
    each with its `sos.` form; a two-digit MNC is written with a leading zero.
    """
    mcc, mnc = network.split("-")
    own = f"mnc{mnc:0>3}.mcc{mcc}"
    country = f"mcc{mcc}.visited-country"
    plain = [f"{kind}.{where}.{_ROOT}" for where in (own, country) for kind in ("epdg.epc", "n3iwf.5gc")]
    return (*(f"sos.{name}" for name in plain), *plain)


class Exemptions:
    """What is exempt now. ``answer`` puts in what a name resolved to; nothing else changes it."""

    def __init__(self, config: ExemptConfig) -> None:
        calling = config.wifi_calling
        derived = [name for network in calling.networks for name in wifi_calling_names(network)]
        self._calling_names = tuple(dict.fromkeys([*derived, *calling.names]))
        self._names = tuple(dict.fromkeys([*self._calling_names, *config.names]))
        self.prefixes: tuple[Network, ...] = (*config.prefixes, *calling.prefixes)
        self._prefixes: PrefixMap[bool] = PrefixMap()
        for prefix in self.prefixes:
            self._prefixes.add(prefix, True)
        self._seen: dict[str, dict[bytes, float]] = {}
        self._answered: dict[str, float] = {}
        self._addresses: frozenset[bytes] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name to resolve, Wi-Fi calling's emergency names first."""
        return self._names

    @property
    def addresses(self) -> frozenset[bytes]:
        """The addresses (4 or 16 bytes) the names stand for."""
        return self._addresses

    def answer(self, name: str, addresses: Iterable[bytes], now: float) -> bool:
        """Take in a definite answer for a name (none when it does not exist), at ``now`` in epoch seconds.

        An empty answer removes no address: a name that stops resolving keeps its last ones. Returns whether
        the exempt addresses changed.
        """
        self._answered[name] = now
        fresh = dict.fromkeys(addresses, now)
        known = self._seen.get(name, {})
        if fresh:
            known = {a: at for a, at in known.items() if now - at < ADDRESS_KEPT} | fresh
        self._seen[name] = known
        before = self._addresses
        self._addresses = frozenset(address for seen in self._seen.values() for address in seen)
        return self._addresses != before

    def covers(self, address: bytes) -> bool:
        """Whether flows to or from this address (4 or 16 bytes) are left alone."""
        return address in self._addresses or bool(self._prefixes.covering(address))

    def wifi_calling_missing(self, now: float) -> str | None:
        """What keeps the Wi-Fi calling exemptions from being known at ``now``; None when they are."""
        if not self._calling_names:
            return "exempt.wifi_calling names no mobile network"
        unknown = list(self._unanswered(now))
        if unknown:
            return f"{len(unknown)} of {len(self._calling_names)} names not answered yet, first {unknown[0]}"
        resolved = [name for name in self._calling_names if self._seen.get(name)]
        if not any(name.startswith("sos.") for name in resolved):
            return "no emergency name (sos.…) has an address"
        if not any(not name.startswith("sos.") for name in resolved):
            return "no ePDG or N3IWF name has an address"
        return None

    def _unanswered(self, now: float) -> Iterator[str]:
        for name in self._calling_names:
            if now - self._answered.get(name, float("-inf")) > ANSWER_MAX_AGE:
                yield name
