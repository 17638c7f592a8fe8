"""What exempt names resolved to, on disk: a restart while DNS is dead must not cut anyone's Wi-Fi calling.

A JSON object: ``schema`` (1) and ``names``, an object from each name to ``[answered, {address: seen}]``, times in
seconds since the epoch (UTC), ``answered`` null when there were incomplete answers only. Nothing in it is about
subscribers. The file is readable by its owner only and replaced as a whole.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from enforcer.exemptions import Known
from enforcer.log_events import named
from enforcer.problems import Notice
from enforcer.replace_file import replace_file
from enforcer.set_aside import set_aside

log = logging.getLogger(__name__)

SCHEMA = 1

MAX_BYTES = 16 * 1024 * 1024
"""A larger file is not ours: the names and addresses we may know come to a few megabytes."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a memory file held, and what there is to say about it."""

    known: Mapping[str, Known] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


def save(path: Path, known: Mapping[str, Known]) -> None:
    """Replace the file, atomically and durably, mode 0600. Raises OSError when it cannot be written."""
    names = {
        name: [one.answered, {str(ip_address(address)): seen for address, seen in one.addresses.items()}]
        for name, one in known.items()
    }
    replace_file(path, json.dumps({"schema": SCHEMA, "names": names}, separators=(",", ":")))


def restore(path: Path, now: float, aside: bool = True) -> Remembered:
    """What was saved; nothing when there is no file, which is how every gateway begins.

    A file that is not understood is set aside as ``<file>.corrupt-<now>`` (epoch seconds) and told; one that
    cannot be read, or any when ``aside`` is false, is only told. Never raises: the names are resolved anew.
    """
    file = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes")
        data = path.read_bytes()
        return Remembered(_decode(data, now))
    except FileNotFoundError:
        return Remembered()
    except OSError as error:
        return Remembered(notices=(Notice(file, None, None, f"cannot be read: {error.strerror}; {_ANEW}"),))
    except (ValueError, RecursionError) as error:
        told = f"is not understood ({error}): {_ANEW}"
        if aside:
            told += f"; {set_aside(path, now)}"
        return Remembered(notices=(Notice(file, None, None, told),))


_ANEW = "exempt names are resolved anew, and IPsec is not enforced until they are"


class Saver:
    """Writes in a thread of its own, for disks are slow; of what waits to be written only the newest is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: Mapping[str, Known] | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="exempt-memory", daemon=True)
        self._thread.start()

    def put(self, known: Mapping[str, Known]) -> None:
        """Have this written as soon as the disk is free."""
        with self._changed:
            self._waiting = known
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Finish writing, for ``timeout`` seconds at most."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None and not self._closed:
                    self._changed.wait()
                known, self._waiting = self._waiting, None
            if known is None:
                return
            try:
                save(self._path, known)
            except OSError as error:
                log.error(
                    "%s: cannot be written: %s; after a restart exempt names are resolved anew. "
                    "Make its directory writable, or name another file as exempt.memory",
                    self._path,
                    error.strerror,
                    extra=named("exempt_memory_unwritten"),
                )


def _decode(data: bytes, now: float) -> dict[str, Known]:
    content = json.loads(data)
    if not isinstance(content, dict):
        raise ValueError("expected an object")
    if content.get("schema") != SCHEMA:
        raise ValueError(f"schema {content.get('schema')!r}, expected {SCHEMA}")
    names = content.get("names")
    if not isinstance(names, dict):
        raise ValueError("expected an object of names")
    return {name: _known(entry, now) for name, entry in names.items()}


def _known(entry: object, now: float) -> Known:
    if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], dict):
        raise ValueError("expected a time and addresses for each name")
    addresses = {ip_address(text).packed: _time(seen, now) for text, seen in entry[1].items()}
    return Known(None if entry[0] is None else _time(entry[0], now), addresses)


def _time(value: object, now: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("expected times in seconds")
    # Written while the clock was ahead: an answer from the future would count as fresh for too long.
    return min(float(value), now)
