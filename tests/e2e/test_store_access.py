"""Who is let into the store, by TLS, password and user; and what of subscribers can be found there."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from enforcer.subscribers.store.settings import load_password
from tests.lab.pki import Pki
from tests.lab.store import ADDRESS, TAG, World, event, eventually, fails


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


PASSWORD = "correct-horse-battery"


def password_file(folder: Path, password: str) -> Path:
    path = folder / "password"
    path.write_text(f"{password}\n")
    path.chmod(0o600)
    return path


def test_passwords(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = world.store("--requirepass", PASSWORD).url
    right = world.gateway(url, password=load_password(password_file(world.folder, PASSWORD)))
    wrong = world.gateway(url, password="wrong-horse", connect=False)
    none = world.gateway(url, connect=False)
    fails(wrong, "does not let us in")
    fails(none, "does not let us in")
    right.hear(event())
    eventually(lambda: right.store.state.sent == 1)
    assert not wrong.store.state.connected
    assert "does not let us in" in caplog.text
    for secret in (PASSWORD, "wrong-horse", TAG.hex(), ADDRESS):
        assert secret not in caplog.text


def command(client: redis.Redis, *words: str) -> None:
    client.execute_command(*words)  # type: ignore[no-untyped-call]


def acl_rule(repository: Path) -> list[str]:
    """The rule that the documentation gives to operators."""
    for line in (repository / "docs/shared-store.md").read_text().splitlines():
        if line.startswith("ACL SETUSER enforcer "):
            return line.split()[3:]
    raise AssertionError("no rule in docs/shared-store.md")


def test_the_documented_user_may_do_what_is_needed_and_no_more(world: World, repository: Path) -> None:
    port = free_port()
    store = world.store("--port", str(port), "--bind", "127.0.0.1")
    rule = [word.replace("PASSWORD", PASSWORD) for word in acl_rule(repository)]
    command(store.client(), "ACL", "SETUSER", "enforcer", *rule)
    url = f"redis://enforcer@127.0.0.1:{port}/1"
    one, other = world.gateway(url, password=PASSWORD), world.gateway(url, password=PASSWORD)
    one.hear(event())
    eventually(lambda: other.holds(TAG))
    assert world.gateway(url, password=PASSWORD).holds(TAG)
    allowed = redis.Redis(port=port, username="enforcer", password=PASSWORD)
    for forbidden in ("FLUSHALL", "CONFIG GET requirepass", "SET other 1", "KEYS *", "SAVE", "CLIENT LIST"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            command(allowed, *forbidden.split())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tls_options(pki: Pki, port: int) -> tuple[str, ...]:
    return (
        *("--bind", "127.0.0.1", "--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(pki.path("server.pem")), "--tls-key-file", str(pki.path("server.key"))),
        *("--tls-ca-cert-file", str(pki.path("ca.pem"))),
    )


def new_pki(folder: Path, *addresses: str) -> Pki:
    folder.mkdir()
    return Pki(folder, addresses)


def test_tls(world: World) -> None:
    ours, foreign = new_pki(world.folder / "ours", "127.0.0.1"), new_pki(world.folder / "foreign", "127.0.0.1")
    port = free_port()
    world.store(*tls_options(ours, port))
    url = f"rediss://127.0.0.1:{port}"
    right = world.gateway(url, ca_file=ours.path("ca.pem"))
    wrong = world.gateway(url, ca_file=foreign.path("ca.pem"), connect=False)
    none = world.gateway(url, connect=False)
    missing = world.gateway(url, ca_file=world.folder / "missing.pem", connect=False)
    plain = world.gateway(f"redis://127.0.0.1:{port}", connect=False)
    fails(wrong, "certificate is not accepted")
    fails(none, "certificate is not accepted")
    fails(missing, "missing.pem: No such file")
    fails(plain, "closed the connection")
    right.hear(event())
    eventually(lambda: right.store.state.sent == 1)


def test_tls_for_another_name(world: World) -> None:
    pki = new_pki(world.folder / "ours", "192.0.2.1")
    port = free_port()
    world.store(*tls_options(pki, port))
    gateway = world.gateway(f"rediss://127.0.0.1:{port}", ca_file=pki.path("ca.pem"), connect=False)
    fails(gateway, "certificate is not accepted")


def test_tls_where_none_is_spoken(world: World) -> None:
    port = free_port()
    world.store("--port", str(port), "--bind", "127.0.0.1")
    fails(world.gateway(f"rediss://127.0.0.1:{port}", connect=False), "TLS is spoken to a port that does not")
