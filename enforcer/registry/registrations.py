"""Registrations in columns: a million of them in less than a hundred megabytes, and asked about all at once.

A row is made a ``Registration`` only when it is looked at. In the columns, times are seconds since the epoch (UTC)
with NaN for None. An identity is 128 bits, in the halves ``high`` and ``low``: an IPv6 prefix's address, an IPv4
prefix's in the low half, or a number's tag; ``form`` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from itertools import compress
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from enforcer.fingerprints.detection import Family
from enforcer.registry.model import HolderKind, Network, Registration, Revocation, Status

Value = TypeVar("Value")

TAG = 255
"""The form of a number's tag. An IPv4 prefix's form is its length, an IPv6 prefix's 64 more."""

V6 = 64

NO_LINE = 0xFFFF_FFFF
"""The line of a source that names no line."""

Conditions = tuple[frozenset[Family], tuple[Network, ...]]
"""The protocols and the remote peers that a registration is limited to."""

NO_CONDITIONS: Conditions = (frozenset(), ())

KINDS = (HolderKind.COMPANY, HolderKind.FREELANCER)

STATUSES = tuple(Status)
"""What the numbers of ``Registrations.statuses`` stand for."""

HALF = 0xFFFF_FFFF_FFFF_FFFF


def form_of(network: Network) -> int:
    """The form of a prefix."""
    return network.prefixlen if network.version == 4 else V6 + network.prefixlen


def network_of(form: int, high: int, low: int) -> Network:
    """The prefix of an identity."""
    return IPv4Network((low, form)) if form < V6 else IPv6Network((high << 64 | low, form - V6))


@dataclass(frozen=True, slots=True, eq=False)
class Registrations(Sequence[Registration]):
    """Some registrations, in order; never changed.

    ``condition``, ``note`` and ``source`` are positions in the tuples beside them. ``former`` are the tags of
    numbers under keys in use before, and ``former_row`` the rows they belong to, ascending. ``id_hash`` are
    Python's hashes of the ids: they tell most ids apart, in this process only.
    """

    id: NDArray[np.bytes_]
    id_hash: NDArray[np.int64]
    kind: NDArray[np.uint8]
    form: NDArray[np.uint8]
    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    valid_from: NDArray[np.float64]
    valid_to: NDArray[np.float64]
    vanished_at: NDArray[np.float64]
    condition: NDArray[np.uint32]
    note: NDArray[np.uint32]
    source: NDArray[np.uint32]
    line: NDArray[np.uint32]
    conditions: tuple[Conditions, ...]
    notes: tuple[str, ...]
    sources: tuple[str, ...]
    revocations: Mapping[int, Revocation]
    former: NDArray[np.bytes_]
    former_row: NDArray[np.uint32]

    @classmethod
    def of(cls, registrations: Iterable[Registration]) -> Registrations:
        """Registrations made one by one."""
        if isinstance(registrations, Registrations):
            return registrations
        entries = list(registrations)
        conditions, notes, files = Places(NO_CONDITIONS), Places(""), Places[str]()
        places = [_place(entry.source) for entry in entries]
        identities = [_identity(entry) for entry in entries]
        former = [(tag, row) for row, entry in enumerate(entries) for tag in entry.former_tags]
        ids = [entry.id.encode() for entry in entries]
        return cls(
            id=id_column(ids),
            id_hash=hashes(ids),
            kind=np.array([KINDS.index(entry.kind) for entry in entries], np.uint8),
            form=np.array([form for form, _, _ in identities], np.uint8),
            high=np.array([high for _, high, _ in identities], np.uint64),
            low=np.array([low for _, _, low in identities], np.uint64),
            valid_from=_times(entry.valid_from for entry in entries),
            valid_to=_times(entry.valid_to for entry in entries),
            vanished_at=_times(entry.vanished_at for entry in entries),
            condition=np.array([conditions[entry.protocols, entry.peers] for entry in entries], np.uint32),
            note=np.array([notes[entry.note] for entry in entries], np.uint32),
            source=np.array([files[file] for file, _ in places], np.uint32),
            line=np.array([line for _, line in places], np.uint32),
            conditions=tuple(conditions),
            notes=tuple(notes),
            sources=tuple(files),
            revocations={
                row: entry.revocation for row, entry in enumerate(entries) if entry.revocation is not None
            },
            former=np.array([tag for tag, _ in former], "V16"),
            former_row=np.array([row for _, row in former], np.uint32),
        )

    @classmethod
    def concatenated(cls, parts: Sequence[Registrations]) -> Registrations:
        """All rows of some parts, in order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.of(())
        starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in _PLAIN
        }
        for name, values in _CODED.items():
            places: Places[Any] = Places()
            codes = [
                np.array([places[value] for value in getattr(part, values)], np.uint32)[getattr(part, name)]
                for part in parts
            ]
            columns[name], columns[values] = np.concatenate(codes), tuple(places)
        return cls(
            **columns,
            revocations={
                start + row: revocation
                for part, start in zip(parts, starts, strict=False)
                for row, revocation in part.revocations.items()
            },
            former=np.concatenate([part.former for part in parts]),
            former_row=np.concatenate(
                [part.former_row + np.uint32(start) for part, start in zip(parts, starts, strict=False)]
            ),
        )

    def take(self, rows: NDArray[np.intp]) -> Registrations:
        """These rows, in the order given; of one given twice, the first has its revocation and former tags."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in (*_PLAIN, *_CODED)}
        revocations = self.revocations
        former, former_row = self.former, self.former_row
        if revocations or len(former):
            place = np.full(len(self), -1, np.int64)
            place[rows[::-1]] = np.arange(len(rows))[::-1]
            revocations = {new: revocations[old] for old in revocations if (new := int(place[old])) >= 0}
            moved = place[former_row]
            kept = np.flatnonzero(moved >= 0)
            kept = kept[np.argsort(moved[kept], kind="stable")]
            former, former_row = former[kept], moved[kept].astype(np.uint32)
        return replace(self, **columns, revocations=revocations, former=former, former_row=former_row)

    def pruned(self) -> Registrations:
        """The same rows, without the conditions, notes and sources that no row has any more."""
        columns: dict[str, Any] = {}
        for name, values in _CODED.items():
            codes, all_values = getattr(self, name), getattr(self, values)
            used = np.zeros(len(all_values), np.bool_)
            used[codes] = True
            if not used.all():
                columns[name] = (np.cumsum(used) - 1).astype(np.uint32)[codes]
                columns[values] = tuple(compress(all_values, used.tolist()))
        return replace(self, **columns) if columns else self

    def __len__(self) -> int:
        return len(self.form)

    @overload
    def __getitem__(self, row: int) -> Registration: ...
    @overload
    def __getitem__(self, row: slice) -> Registrations: ...
    def __getitem__(self, row: int | slice) -> Registration | Registrations:
        if isinstance(row, slice):
            if row.indices(len(self)) == (0, len(self), 1):
                return self
            return self.take(np.arange(len(self))[row])
        if row < 0 or row >= len(self):
            raise IndexError(row)
        return self.reader()(row)

    def reader(self) -> Callable[[int], Registration]:
        """What makes the entry of a row, for whoever wants many, one by one."""
        ids, conditions, notes, sources = self.id, self.conditions, self.notes, self.sources
        revocations, all_former = self.revocations, len(self.former)
        kind, form, high, low = self.kind.data, self.form.data, self.high.data, self.low.data
        valid_from, valid_to, vanished_at = self.valid_from.data, self.valid_to.data, self.vanished_at.data
        condition, note, source, line = self.condition.data, self.note.data, self.source.data, self.line.data

        def entry(row: int) -> Registration:
            what = form[row]
            begin, end, gone = valid_from[row], valid_to[row], vanished_at[row]
            protocols, peers = conditions[condition[row]]
            at = line[row]
            if what == TAG:
                network, tag = None, (high[row] << 64 | low[row]).to_bytes(16, "big")
                former = self.former_tags(row) if all_former else ()
            else:
                network, tag, former = network_of(what, high[row], low[row]), None, ()
            return Registration(
                str(ids[row], "utf-8"),
                KINDS[kind[row]],
                network,
                tag,
                begin if begin == begin else None,
                end if end == end else None,
                protocols,
                peers,
                notes[note[row]],
                sources[source[row]] if at == NO_LINE else f"{sources[source[row]]}:{at}",
                revocations.get(row),
                gone if gone == gone else None,
                former,
            )

        return entry

    def __iter__(self) -> Any:
        return map(self.reader(), range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def former_tags(self, row: int) -> tuple[bytes, ...]:
        """The tags of a row's number under keys in use before."""
        first, last = np.searchsorted(self.former_row, (row, row + 1))
        return tuple(bytes(tag) for tag in self.former[first:last])

    def id_at(self, row: int) -> str:
        """The id of a row."""
        return str(self.id[row], "utf-8")

    def rows_of(self, id: str) -> list[int]:
        """The rows with this id, ascending."""
        found = np.flatnonzero(self.id_hash == hash(id.encode()))
        return [int(row) for row in found if self.id[row] == id.encode()]

    def revoked_at(self) -> NDArray[np.float64]:
        """When each row's revocation takes effect; infinity without one."""
        column = np.full(len(self), np.inf)
        for row, revocation in self.revocations.items():
            column[row] = revocation.effective_at
        return column

    def ends_at(self) -> NDArray[np.float64]:
        """When each row stops being current, as ``Registration.ends_at``; NaN when it does not."""
        return np.fmin(self.valid_to, self.vanished_at)

    def statuses(self, now: float, grace: float) -> NDArray[np.uint8]:
        """How each row stands, as ``Registration.status``, as a position in STATUSES."""
        end = self.ends_at()
        with np.errstate(invalid="ignore"):
            current = np.isnan(end) | (now < end)
            tests = {
                Status.REVOKED: now >= self.revoked_at(),
                Status.UPCOMING: now < self.valid_from,
                Status.CURRENT: current,
                Status.GRACE: now < end + grace,
            }
        numbers = [np.uint8(_NUMBER[status]) for status in tests]
        return np.select(list(tests.values()), numbers, np.uint8(_NUMBER[Status.ENDED]))

    def counting(self, now: float, grace: float) -> NDArray[np.bool_]:
        """Which rows make their holder registered, as ``Registration.counts``."""
        statuses = self.statuses(now, grace)
        return np.isin(statuses, (_NUMBER[Status.CURRENT], _NUMBER[Status.GRACE]))

    def next_changes(self, now: float, grace: float) -> NDArray[np.float64]:
        """When, after ``now``, the clock alone next changes how each row stands; infinity when never."""
        end = self.ends_at()
        soonest = np.full(len(self), np.inf)
        for times in (self.valid_from, end, end + grace, self.revoked_at()):
            np.fmin(soonest, np.where(times > now, times, np.inf), out=soonest)
        return soonest

    def unconditional(self) -> NDArray[np.bool_]:
        """Which rows hold for every protocol and peer."""
        return np.array([condition == NO_CONDITIONS for condition in self.conditions], np.bool_)[self.condition]


class Places(dict[Value, int]):
    """Each value's place in the order in which they were first asked for."""

    def __init__(self, *values: Value) -> None:
        super().__init__()
        for value in values:
            self[value]

    def __missing__(self, value: Value) -> int:
        place = self[value] = len(self)
        return place


def id_column(ids: list[bytes]) -> NDArray[np.bytes_]:
    """Ids, which have no NUL, as a column."""
    return np.array(ids, "S") if ids else np.array([], "S1")


def hashes(ids: Iterable[bytes]) -> NDArray[np.int64]:
    """The column ``id_hash`` of ids."""
    return np.fromiter(map(hash, ids), np.int64)


def halves(identities: bytes) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The columns ``high`` and ``low`` of identities of 16 bytes each, in network order."""
    both = np.frombuffer(identities, ">u8").astype(np.uint64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def _identity(entry: Registration) -> tuple[int, int, int]:
    network, tag = entry.network, entry.tag
    if network is None:
        number = int.from_bytes(tag or b"", "big")
        return TAG, number >> 64, number & HALF
    number = int(network.network_address)
    return form_of(network), number >> 64, number & HALF


def _place(source: str) -> tuple[str, int]:
    file, _, line = source.rpartition(":")
    if file and line.isdecimal() and str(int(line)) == line and int(line) < NO_LINE:
        return file, int(line)
    return source, NO_LINE


def _times(times: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if time is None else time for time in times], np.float64)


_PLAIN = (
    "id", "id_hash", "kind", "form", "high", "low", "valid_from", "valid_to", "vanished_at", "line",
)  # fmt: skip
_CODED = {"condition": "conditions", "note": "notes", "source": "sources"}
_NUMBER = {status: number for number, status in enumerate(STATUSES)}
