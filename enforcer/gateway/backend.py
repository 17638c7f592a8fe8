"""Puts the ruleset into the kernel and takes it out again, leaving everything of the operator's as it was.

Where the kernel has nft's queue statement, one table in one transaction is all. Where it has not, the table is
paired with one iptables rule for IPv4 and one for IPv6, in the `security` table's FORWARD chain. Its priority (150
with iptables-nft) lies between our two chains and after the operator's filter, and hardly anyone has rules there
that an early verdict could skip.
"""

from __future__ import annotations

import logging

from enforcer.config import Config
from enforcer.gateway import nf_tables, nft
from enforcer.gateway.replacement import replacement
from enforcer.gateway.ruleset import Backend, marks, queue_range, quieting, removal, table
from enforcer.log_events import named

log = logging.getLogger(__name__)

_IPTABLES = {"ip": "iptables-nft", "ip6": "ip6tables-nft"}
_COMMENT = "enforcer"
_LOADED_OVER = 5
"""Times our rules are loaded over themselves, to know them for ours where other programs write all the time."""


def detect(config: Config) -> Backend:
    """Which backend this kernel takes, found out by trying.

    Raises CommandError when it takes neither, with what the kernel said.
    """
    try:
        nft.check(table(config, Backend.NATIVE))
    except nft.CommandError as refusal:
        nft.check(table(config, Backend.PAIRED))
        log.info(
            "no native nft queue here, pairing with iptables NFQUEUE (%s)",
            _first_line(refusal),
            extra=named("queue_backend", backend="paired"),
        )
        return Backend.PAIRED
    log.info("native nft queue", extra=named("queue_backend", backend="native"))
    return Backend.NATIVE


class Installation:
    """Our rules in the kernel: installed once, replaced on reload, removed on stop."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._made: dict[str, str] = {}
        self._config = Config()
        self._rules: bytes | None = None

    def install(self, config: Config, contents: str) -> None:
        """Load the table with its set ``contents`` in one transaction, replacing an earlier one of ours.

        The iptables rules come first: without marks they match nothing. Raises CommandError; then nothing
        of ours is left.
        """
        try:
            if self.backend is Backend.PAIRED:
                for family in _IPTABLES:
                    self._pair(family, config)
            self._load(config, table(config, self.backend) + contents)
        except nft.CommandError:
            self.remove()
            raise

    def replace(self, config: Config, contents: str) -> None:
        """Have the installed table become another, whose sets ``contents`` brings from any state to theirs.

        What waits for a verdict goes on waiting for it. Raises CommandError; then the installed one goes on.
        """
        # Another program may have changed what is there: then it goes as a whole, and with it what waits.
        whole = table(config, self.backend) + contents
        self._load(config, replacement(self._config, config, self.backend) + contents, whole)

    def complete(self) -> bool:
        """Whether our rules are there as they were loaded. Raises CommandError when the kernel cannot be asked."""
        if nf_tables.rules().digest != self._rules:
            return False
        return self.backend is Backend.NATIVE or all(map(_is_paired, _IPTABLES))

    def restore(self, config: Config, contents: str) -> None:
        """Put back what is not there any more. Raises CommandError; it may be tried again."""
        if self.backend is Backend.PAIRED:
            for family in _IPTABLES:
                if not _is_paired(family):
                    self._pair(family, config)
        self._load(config, table(config, self.backend) + contents)

    def quiet(self) -> None:
        """Have nothing queued any more. Raises CommandError; then the table is not there."""
        nft.load(quieting())

    def remove(self) -> None:
        """Take out everything of ours. The table goes first, in one transaction: that ends every effect."""
        nft.load(removal())
        if self.backend is Backend.PAIRED:
            for family in _IPTABLES:
                self._unpair(family)

    def _load(self, config: Config, text: str, otherwise: str | None = None) -> None:
        before = nf_tables.generation()
        try:
            nft.load(text)
        except nft.CommandError:
            if otherwise is None:
                raise
            nft.load(otherwise)
        self._config = config
        found = nf_tables.rules()
        for _ in range(_LOADED_OVER):
            if found.generation == _next(before):
                break
            # Another program wrote at the same time: what is there now may be what it left of our rules.
            before = nf_tables.generation()
            nft.load(replacement(config, config, self.backend))
            found = nf_tables.rules()
        self._rules = found.digest

    def _pair(self, family: str, config: Config) -> None:
        had_table, had_chain = _has("tables", family), _has("chains", family)
        left_by_a_crash = had_chain and _delete_rules(family)
        bits = marks(config.gateway.mark_mask)
        first, _, last = queue_range(config).partition("-")
        queue = ["--queue-balance", f"{first}:{last}"] if last else ["--queue-num", first]
        nft.run(
            [
                _IPTABLES[family], "-w", "-t", "security", "-A", "FORWARD",
                "-m", "mark", "--mark", f"{bits.candidate:#x}/{bits.mask:#x}",
                "-m", "comment", "--comment", _COMMENT,
                "-j", "NFQUEUE", *queue, "--queue-bypass",
            ]
        )  # fmt: skip
        if left_by_a_crash or not had_table:
            self._made[family] = f"table {family} security"
        elif not had_chain:
            self._made[family] = f"chain {family} security FORWARD"

    def _unpair(self, family: str) -> None:
        if not _has("chains", family):
            return
        _delete_rules(family)
        made = self._made.pop(family, None)
        if made is not None and _is_empty(family):
            nft.load(f"delete {made}\n")


def _next(generation: int) -> int:
    return generation + 1 & 0xFFFF_FFFF


def _has(what: str, family: str) -> bool:
    """Whether the `security` table (what = tables) or its FORWARD chain (what = chains) is there."""
    kind, name = {"tables": ("table", "security"), "chains": ("chain", "FORWARD")}[what]
    items = [item[kind] for item in nft.objects(what) if kind in item]
    return any(
        item["family"] == family and item["name"] == name and item.get("table", "security") == "security"
        for item in items
    )


def _is_empty(family: str) -> bool:
    content = nft.objects("table", family, "security")
    chains = [item["chain"] for item in content if "chain" in item]
    return not any("rule" in item for item in content) and all(c.get("policy") == "accept" for c in chains)


def _is_paired(family: str) -> bool:
    return _has("chains", family) and bool(_our_rules(family))


def _our_rules(family: str) -> list[list[str]]:
    listed = nft.run([_IPTABLES[family], "-w", "-t", "security", "-S", "FORWARD"])
    return [
        line.split()[1:]
        for line in listed.splitlines()
        if line.startswith("-A FORWARD ") and f"--comment {_COMMENT} " in line
    ]


def _delete_rules(family: str) -> bool:
    ours = _our_rules(family)
    for rule in ours:
        nft.run([_IPTABLES[family], "-w", "-t", "security", "-D", *rule])
    return bool(ours)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
