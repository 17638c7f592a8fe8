"""The registrations and sessions a configuration names, loaded together: all of it or none of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from enforcer.config import Config
from enforcer.config_fields import split_listen
from enforcer.problems import Findings, Notice, Problem
from enforcer.registry.known import Known
from enforcer.registry.load import load
from enforcer.registry.lookup import Registry
from enforcer.registry.memory import remember
from enforcer.registry.memory_file import restore, save
from enforcer.registry.registrations import Registrations
from enforcer.subscribers.key_file import load_key
from enforcer.subscribers.number import Tagger
from enforcer.subscribers.radius.clients import ClientEntry, load_clients
from enforcer.subscribers.radius.settings import Settings
from enforcer.subscribers.sessions_file import load_sessions
from enforcer.subscribers.store.settings import StoreSettings, load_password, parse_address
from enforcer.subscribers.table import SessionTable

MOST_TOLD = 100
"""Problems told in one breath: a long list that stands twice in its file has as many as rows."""


class ListError(Exception):
    """The lists cannot be used; ``problems`` and ``notices`` say everything found, the message the first of it."""

    def __init__(self, problems: Sequence[Problem], notices: Sequence[Notice]) -> None:
        super().__init__(_told([str(problem) for problem in problems[:MOST_TOLD]], len(problems)))
        self.logged = _told([problem.logged() for problem in problems[:MOST_TOLD]], len(problems))
        self.problems = problems
        self.notices = notices


@dataclass(frozen=True, slots=True)
class Lists:
    """What was loaded, what the operator should know of it, and the problems a lenient load left out.

    ``known`` is for the next load to go on from. ``sessions`` are those of the sessions file; ``radius`` is None
    without access servers, ``store`` without a shared store, ``tagger`` without a key.
    """

    registry: Registry
    known: Known | None
    sessions: SessionTable
    tagger: Tagger | None
    radius: Settings | None
    store: StoreSettings | None
    notices: tuple[Notice, ...]
    problems: tuple[Problem, ...]


def load_keys(config: Config) -> tuple[bytes, ...]:
    """The key of the tags, and those in use before; none when none is configured.

    Raises ListError when a key file cannot be used.
    """
    path = config.numbers.key_file
    keys: list[bytes] = []
    for each in () if path is None else (path, *config.numbers.former_key_files):
        try:
            keys.append(load_key(each))
        except ValueError as error:
            problem = Problem(str(each), None, None, None, str(error).removeprefix(f"{each}: "), fatal=True)
            raise ListError([problem], []) from None
    return tuple(keys)


def load_lists(
    config: Config,
    lenient: bool,
    now: float,
    path: Path,
    before: Lists | None = None,
    aside: bool = False,
) -> Lists:
    """Load what the configuration in file ``path`` names at ``now``, epoch seconds; nothing is written.

    With ``aside``, the daemon's doing, a damaged memory file is set aside; else it is only told.

    Entries that vanished since the memory file was written, or that were in force ``before`` and vanished, stay
    for their grace period. Raises ListError with every problem.
    """
    keys = load_keys(config)
    tagger = Tagger(keys[0], keys[1:]) if keys else None
    findings = Findings()
    refused = False
    registrations = Registrations.of(())
    known: Known | None = None
    as_of: float | None = None
    if config.registry.files:
        written = _oldest(config.registry.files)
        result = load(
            config.registry.files,
            config.numbers.region,
            ZoneInfo(config.registry.timezone),
            tagger,
            lenient,
            None if before is None else before.known,
        )
        known = result.known
        registrations = result.registrations
        findings.notices.extend(result.notices)
        findings.problems.extend(result.problems)
        refused = result.refused
        if not refused:
            as_of = written
    sessions = SessionTable(float(config.sessions.ttl), config.sessions.capacity)
    if config.sessions.file is not None:
        read = load_sessions(config.sessions.file, config.numbers.region, tagger, lenient)
        sessions.replace_all(read.sessions)
        findings.notices.extend(read.notices)
        findings.problems.extend(read.problems)
        refused = refused or read.refused
    radius = _radius(config, path, keys, findings)
    store = _store(config, path, keys, findings)
    wanted = (bool(config.radius.clients), config.sessions.store is not None)
    if refused or wanted != (radius is not None, store is not None):
        raise ListError(findings.problems, findings.notices)
    if config.registry.files:
        # What a row said that is gone is gone with it, from memory and from disk.
        registrations = _with_memory(config, registrations, before, now, findings, aside).pruned()
    registry = Registry(registrations, as_of)
    if known is not None:
        # What vanished comes after what was loaded: the rows are the same, and one table is enough.
        known = replace(known, registrations=registrations)
    return Lists(
        registry, known, sessions, tagger, radius, store, tuple(findings.notices), tuple(findings.problems)
    )


def keep_memory(config: Config, registry: Registry) -> str | None:
    """Write the memory of vanished entries, where one is configured; what went wrong, in words."""
    path = config.registry.memory
    if path is None or not config.registry.files:
        return None
    try:
        save(path, registry.registrations)
    except OSError as error:
        return f"{path}: cannot be written: {error.strerror}; entries that vanish lose their grace at a restart"
    return None


def _told(lines: list[str], count: int) -> str:
    more = [f"and {count - len(lines)} more: `enforcer check` lists them all"] if count > len(lines) else []
    return "\n".join([*lines, *more])


def _oldest(files: Iterable[Path]) -> float | None:
    # Asked before they are read: one that is replaced meanwhile must not lend its age to what was read.
    try:
        return min(file.stat().st_mtime for file in files)
    except OSError:
        return None


def _radius(config: Config, path: Path, keys: tuple[bytes, ...], findings: Findings) -> Settings | None:
    found = len(findings.problems)
    entries = [ClientEntry(each.name, each.addresses, each.secret_file) for each in config.radius.clients]
    clients = load_clients(entries, str(path), findings)
    if not clients or len(findings.problems) > found:
        return None
    return Settings(
        clients,
        config.numbers.region,
        keys[0],
        tuple(split_listen(listen) for listen in config.radius.listen),
        config.radius.number_attribute,
    )


def _store(config: Config, path: Path, keys: tuple[bytes, ...], findings: Findings) -> StoreSettings | None:
    sessions = config.sessions
    if sessions.store is None:
        return None
    if not keys:
        findings.fatal(str(path), None, "needs numbers.key_file, the same at every gateway", "sessions.store")
        return None
    try:
        address = parse_address(sessions.store)
    except ValueError as error:
        findings.fatal(str(path), None, str(error), "sessions.store")
        return None
    if sessions.store_ca_file is not None and not sessions.store_ca_file.is_file():
        told = "is no file: expected the certificate of the store's authority, in PEM"
        findings.fatal(str(sessions.store_ca_file), None, told)
        return None
    password = None
    if sessions.store_password_file is not None:
        try:
            password = load_password(sessions.store_password_file)
        except ValueError as error:
            told = str(error).removeprefix(f"{sessions.store_password_file}: ")
            findings.fatal(str(sessions.store_password_file), None, told)
            return None
    return StoreSettings(address, float(sessions.ttl), keys[0], password, sessions.store_ca_file)


def _with_memory(
    config: Config,
    loaded: Registrations,
    before: Lists | None,
    now: float,
    findings: Findings,
    aside: bool,
) -> Registrations:
    previous = Registrations.of(()) if before is None else before.registry.registrations
    if not previous and config.registry.memory is not None:
        remembered = restore(config.registry.memory, now, aside)
        findings.notices.extend(remembered.notices)
        previous = remembered.registrations
    return remember(previous, loaded, now, float(config.registry.grace))
