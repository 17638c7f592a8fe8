"""The registrations and sessions a configuration names, loaded together: all of it or none of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from enforcer.config import Config
from enforcer.problems import Notice, Problem
from enforcer.registry.load import load
from enforcer.registry.lookup import Registry
from enforcer.registry.memory import remember
from enforcer.registry.memory_file import restore, save
from enforcer.registry.model import Registration
from enforcer.subscribers.key_file import load_key
from enforcer.subscribers.number import Tagger
from enforcer.subscribers.sessions_file import load_sessions
from enforcer.subscribers.table import SessionTable


class ListError(Exception):
    """The lists cannot be used; ``problems`` and ``notices`` say everything found."""

    def __init__(self, problems: Sequence[Problem], notices: Sequence[Notice]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.notices = notices


@dataclass(frozen=True, slots=True)
class Lists:
    """What was loaded, what the operator should know of it, and the problems a lenient load left out."""

    registry: Registry
    sessions: SessionTable
    notices: tuple[Notice, ...]
    problems: tuple[Problem, ...]


def load_tagger(config: Config) -> Tagger | None:
    """The tagger under the configured key, None when none is configured.

    Raises ListError when the key file cannot be used.
    """
    path = config.numbers.key_file
    if path is None:
        return None
    keys: list[bytes] = []
    for each in (path, *config.numbers.former_key_files):
        try:
            keys.append(load_key(each))
        except ValueError as error:
            problem = Problem(str(each), None, None, None, str(error).removeprefix(f"{each}: "), fatal=True)
            raise ListError([problem], []) from None
    return Tagger(keys[0], tuple(keys[1:]))


def load_lists(
    config: Config, lenient: bool, now: float, keep: bool, in_force: Iterable[Registration] = ()
) -> Lists:
    """Load what the configuration names at ``now``, epoch seconds.

    Entries that vanished since the memory file was written, or that are ``in_force`` and vanished, stay for
    their grace period. With ``keep`` the memory is written back: the daemon's doing, nobody else's.
    Raises ListError with every problem; nothing is kept then.
    """
    tagger = load_tagger(config)
    notices: list[Notice] = []
    problems: list[Problem] = []
    refused = False
    registrations: list[Registration] = []
    as_of: float | None = None
    if config.registry.files:
        result = load(
            config.registry.files, config.numbers.region, ZoneInfo(config.registry.timezone), tagger, lenient
        )
        registrations = result.registrations
        notices.extend(result.notices)
        problems.extend(result.problems)
        refused = result.refused
        if not refused:
            as_of = min(file.stat().st_mtime for file in config.registry.files)
    sessions = SessionTable(float(config.sessions.ttl))
    if config.sessions.file is not None:
        read = load_sessions(config.sessions.file, config.numbers.region, tagger, lenient)
        sessions.replace_all(read.sessions)
        notices.extend(read.notices)
        problems.extend(read.problems)
        refused = refused or read.refused
    if refused:
        raise ListError(problems, notices)
    if config.registry.files:
        registrations = _with_memory(config, registrations, in_force, now, keep, notices)
    return Lists(Registry(registrations, as_of), sessions, tuple(notices), tuple(problems))


def _with_memory(
    config: Config,
    loaded: list[Registration],
    in_force: Iterable[Registration],
    now: float,
    keep: bool,
    notices: list[Notice],
) -> list[Registration]:
    path, grace = config.registry.memory, float(config.registry.grace)
    previous = list(in_force)
    if not previous and path is not None:
        remembered = restore(path, now)
        notices.extend(remembered.notices)
        previous = remembered.registrations
    registrations = remember(previous, loaded, now, grace)
    if keep and path is not None:
        try:
            save(path, registrations)
        except OSError as error:
            told = f"cannot be written: {error.strerror}; entries that vanish lose their grace at a restart"
            notices.append(Notice(str(path), None, None, told))
    return registrations
