"""Where the store is: what is accepted, and errors that never show a password."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import exceptions as said

from enforcer.subscribers.store.failure import explain
from enforcer.subscribers.store.settings import Address, StoreSettings, load_password, parse_address

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("url", "address", "shown"),
    [
        ("redis://store", Address("store", 6379, False, None, 0, None), "redis://store:6379/0"),
        ("rediss://store:6380/2", Address("store", 6380, True, None, 2, None), "rediss://store:6380/2"),
        ("rediss://gw@store/", Address("store", 6379, True, None, 0, "gw"), "rediss://store:6379/0"),
        ("redis://[2001:db8::5]:7000", Address("2001:db8::5", 7000, False, None, 0, None), "redis://[2001:db8::5]:7000/0"),
        ("unix:///run/redis/s.sock", Address(None, 0, False, "/run/redis/s.sock", 0, None), "unix:///run/redis/s.sock"),
    ],
)  # fmt: skip
def test_addresses(url: str, address: Address, shown: str) -> None:
    assert parse_address(url) == address
    assert str(address) == shown


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"redis://:{SECRET}@store", "store_password_file"),
        (f"rediss://gw:{SECRET}@store:6380/1", "store_password_file"),
        (f"unix://gw:{SECRET}@/run/s.sock", "store_password_file"),
        (f"redis://store?password={SECRET}", "options"),
        ("rediss://store?ssl_cert_reqs=none", "options"),
        ("rediss://store#x", "options"),
        ("store:6379", "expected rediss://"),
        ("http://store", "expected rediss://"),
        ("redis://", "expected rediss://"),
        ("redis://store:port", "expected rediss://"),
        ("redis://store:99999", "expected rediss://"),
        ("redis://store/name", "database"),
        ("redis://store/0/1", "database"),
        ("unix://run/s.sock", "expected rediss://"),
        ("unix:///", "expected rediss://"),
        ("redis://[::1", "expected rediss://"),
    ],
)
def test_addresses_refused(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        parse_address(url)
    assert SECRET not in str(refused.value)


@given(st.text(max_size=40).map("redis://".__add__) | st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        address = parse_address(text)
        assert address.host or address.path


def test_a_password_is_read_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "password"
    for content in (f"{SECRET}", f"{SECRET}\n", f"{SECRET}\r\n"):
        path.write_bytes(content.encode())
        path.chmod(0o600)
        assert load_password(path) == SECRET


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (SECRET.encode(), 0o640, "chmod 600"),
        (SECRET.encode(), 0o604, "chmod 600"),
        (b"", 0o600, "is empty; create it"),
        (b"\n", 0o600, "is empty; create it"),
        (SECRET.encode() + b"\nsecond", 0o600, "on one line"),
        (SECRET.encode() * 100, 0o600, "512 bytes"),
        (b"\xff\xfe" + SECRET.encode(), 0o600, "UTF-8"),
    ],
)
def test_password_files_refused(tmp_path: Path, content: bytes, mode: int, told: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(ValueError, match=told) as refused:
        load_password(path)
    assert SECRET not in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_password_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="install -m 600"):
        load_password(tmp_path / "missing")
    with pytest.raises(ValueError, match="regular file"):
        load_password(tmp_path)


def test_settings_do_not_show_secrets() -> None:
    settings = StoreSettings(parse_address("redis://store"), 60.0, b"K" * 32, SECRET)
    assert SECRET not in repr(settings)
    assert "KKK" not in repr(settings)


def wrapped(inner: Exception) -> Exception:
    """As the client library does it: its own error raised while the system's is being handled."""
    try:
        try:
            raise inner
        except OSError as error:
            raise said.ConnectionError(f"Error connecting to {SECRET}: {error}")  # noqa: B904
    except said.ConnectionError as error:
        return error


CERTIFICATE = ssl.SSLCertVerificationError(1, "certificate verify failed")
CERTIFICATE.verify_message = "self-signed certificate"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (said.AuthenticationError(SECRET), "store_password_file"),
        (said.NoPermissionError(SECRET), "ACL"),
        (said.OutOfMemoryError(SECRET), "maxmemory"),
        (said.ReadOnlyError(SECRET), "primary"),
        (said.BusyLoadingError(SECRET), "loading"),
        (said.MovedError("3999 127.0.0.1:6381"), "cluster"),
        (said.ResponseError(f"MISCONF {SECRET}"), "MISCONF"),
        (said.ResponseError(f"unknown command, with args beginning with: {SECRET}"), "no code"),
        (said.TimeoutError(SECRET), "no answer in time"),
        (said.ConnectionError(SECRET), "closed the connection"),
        (wrapped(ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
        (wrapped(TimeoutError()), "no answer in time"),
        (wrapped(ConnectionResetError(104, "Connection reset by peer")), "closed the connection"),
        (wrapped(CERTIFICATE), "store_ca_file"),
        (wrapped(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")), "TLS"),
        (FileNotFoundError(2, "No such file or directory", "/etc/ca.pem"), "/etc/ca.pem: No such file"),
    ],
)  # fmt: skip
def test_failures_are_told_in_words_that_hold_nothing_secret(error: Exception, told: str) -> None:
    assert told in explain(error)
    assert SECRET not in explain(error)
