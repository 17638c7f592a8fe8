"""The few things asked of a Redis or Valkey server. Every call may raise RedisError or OSError."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from enforcer.subscribers.store.schema import PUT, STREAM_LENGTH, record_prefix, split_record, stream_key
from enforcer.subscribers.store.settings import StoreSettings

TIMEOUT = 2.0
"""Seconds an answer may take; a store that is slower counts as away."""

SCAN_COUNT = 500
"""Keys looked at in one step of reading every record: about a millisecond of the store's time."""


class Entry(NamedTuple):
    """One entry of the stream; ``event`` is empty in an entry that only marks the stream's beginning."""

    id: bytes
    origin: bytes
    event: bytes


class Client:
    """One connection. ``origin`` tells this writer's entries in the stream from others'."""

    def __init__(self, settings: StoreSettings, namespace: str, origin: bytes, keep: float) -> None:
        """Connect and be let in. ``keep`` is for how many seconds after its latest event a record lives."""
        self._records = record_prefix(namespace)
        self._stream = stream_key(namespace)
        self._origin = origin
        self._keep_ms = int(keep * 1000)
        self._redis = _connection(settings)
        self._put = self._redis.register_script(PUT)
        self.run_id: str = self._redis.info("server")["run_id"]

    def put(self, batch: Sequence[tuple[str, bytes, bytes]]) -> None:
        """Write events, each with its record's name and how it comes (``schema.NEWS`` and so on)."""
        keys = [f"{self._records}{name}" for name, _, _ in batch]
        arguments: list[bytes | int] = [self._origin, STREAM_LENGTH, self._keep_ms]
        for _, event, how in batch:
            arguments += (event, how)
        self._put([*keys, self._stream], arguments)

    def latest(self) -> bytes:
        """The id of the stream's last entry; in an empty stream, of one made for the purpose."""
        found: Any = self._redis.xrevrange(self._stream, count=1)
        if found:
            return bytes(found[0][0])
        made: Any = self._redis.xadd(self._stream, {"o": self._origin, "e": b""})
        self._redis.pexpire(self._stream, self._keep_ms)
        return bytes(made)

    def since(self, position: bytes, count: int) -> list[Entry] | None:
        """Up to ``count`` entries that follow the one at ``position``; None when that one is no longer there, and
        with it perhaps others that followed."""
        found: Any = self._redis.xrange(self._stream, position, "+", count + 1)
        if not found or found[0][0] != position:
            return None
        return [Entry(id, fields.get(b"o", b""), fields.get(b"e", b"")) for id, fields in found[1:]]

    def scan(self, cursor: int) -> tuple[int, list[list[bytes]]]:
        """One step through all records, beginning with cursor 0: the cursor of the next step, 0 after the last,
        and the events of each record found. A record may be found twice."""
        following: int
        keys: Any
        following, keys = self._redis.scan(cursor, f"{self._records}*", SCAN_COUNT)
        values: Any = self._redis.mget(keys) if keys else []
        return following, [split_record(value) for value in values if value is not None]

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._redis.close()


def _connection(settings: StoreSettings) -> Redis:
    address = settings.address
    options: dict[str, Any] = {
        "db": address.database,
        "username": address.username,
        "password": settings.password,
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        # Whoever calls tries again, with the same batch and in its own time.
        "retry": Retry(NoBackoff(), 0),
        "single_connection_client": True,
        # Understood by every version; the third has no use here.
        "protocol": 2,
        "client_name": "enforcer",
    }
    if address.path is not None:
        return Redis(unix_socket_path=address.path, **options)
    if address.tls:
        options["ssl"] = True
        options["ssl_min_version"] = ssl.TLSVersion.TLSv1_2
        if settings.ca_file is not None:
            options["ssl_ca_data"] = settings.ca_file.read_text(encoding="ascii")
    return Redis(host=address.host or "", port=address.port, **options)
