"""Where the store is and how to be let in: an address without secrets, a password from a root-only file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from enforcer.private_file import read_secret_line

DEFAULT_PORT = 6379
_MOST_PASSWORD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store listens: a host and port, with TLS or without, or the path of a local socket."""

    host: str | None
    port: int
    tls: bool
    path: str | None
    database: int
    username: str | None

    def __str__(self) -> str:
        """For messages; the same form as in the configuration."""
        if self.path is not None:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in (self.host or "") else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """``ttl`` is the sessions' time to live in seconds. ``key`` is that of the tags, the same at every gateway.

    ``ca_file`` holds the certificates (PEM) that vouch for the store's, the system's when None.
    """

    address: Address
    ttl: float
    key: bytes = field(repr=False)
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


def parse_address(url: str) -> Address:
    """The address in ``rediss://[user@]host[:port][/database]``, the same with ``redis://`` (no TLS), or
    ``unix:///path``.

    Raises ValueError, whose text never holds the URL, for it may hold a password.
    """
    expected = "expected rediss://host:port/database, redis:// for no TLS, or unix:///path/of/socket"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.password is not None:
        raise ValueError(
            "holds a password, which everyone who reads the configuration would see: take it out, write it into "
            "a file of mode 0600 and name that as sessions.store_password_file"
        )
    if parts.query or parts.fragment or "?" in url:
        raise ValueError(f"holds options after the address: {expected}, and nothing else")
    username = unquote(parts.username) if parts.username else None
    if parts.scheme == "unix":
        if parts.netloc or not parts.path.startswith("/") or parts.path == "/":
            raise ValueError(expected)
        return Address(None, 0, False, unquote(parts.path), 0, None)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError(expected)
    database = parts.path.removeprefix("/") or "0"
    if not (database.isascii() and database.isdecimal() and len(database) <= 5):
        raise ValueError(f"the database after the last / is no number: {expected}")
    return Address(
        parts.hostname,
        DEFAULT_PORT if port is None else port,
        parts.scheme == "rediss",
        None,
        int(database),
        username,
    )


def load_password(path: Path) -> str:
    """The store's password: the file's content without the line end that editors add.

    Raises ValueError, whose text names the file, tells what to do and never what the file holds, when it is
    missing or unreadable, not a regular file, not owned by root or the running user, open to group or others,
    empty, longer than 512 octets, of several lines or not UTF-8.
    """
    create = f"create it: install -m 600 /dev/null {path}, then write the store's password into it"
    try:
        password = read_secret_line(path, "password", create, _MOST_PASSWORD_BYTES)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        return password.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: the password is not UTF-8 text: choose one that is") from None
