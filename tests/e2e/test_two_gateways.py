"""Two gateways on one real Redis: what one hears frees at the other, also when the store was away meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.test_live import SECRET
from tests.lab.gateway import NUMBER, Gateway, Setup
from tests.lab.network import MOBILE, Lab
from tests.lab.processes import Process, wait_until
from tests.lab.wireguard import WireGuardServer

OTHER_NUMBER = "03017654321"


class Pair:
    """Two labs, each with a gateway, whose daemons share a Redis on a socket file of the machine."""

    def __init__(self, stack: ExitStack) -> None:
        self.labs = [stack.enter_context(Lab()) for _ in range(2)]
        self.folder = self.labs[0].new_folder("store")
        self.socket = self.folder / "redis.sock"
        self._stack = stack
        self.redis = self.start_redis()
        key = b"k" * 16 + bytes(range(16))
        self.gateways = []
        for lab in self.labs:
            secret = lab.new_folder("secret") / "secret"
            secret.touch(mode=0o600)
            secret.write_text(SECRET)
            client = {"name": "bras", "addresses": ["127.0.0.1"], "secret_file": str(secret)}
            extra: dict[str, dict[str, object]] = {
                "sessions": {"file": None, "store": f"unix://{self.socket}"},
                "radius": {"listen": ["127.0.0.1:1813"], "clients": [client]},
            }
            gateway = Gateway(lab, Setup(sessions={}, extra=extra, wifi_calling=False))
            (gateway.folder / "key").write_bytes(key)
            self.gateways.append(stack.enter_context(gateway))
        assert wait_until(lambda: all(self.connected(each) for each in self.gateways), 10)

    def start_redis(self) -> Process:
        """A server with nothing on disk."""
        arguments = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        process = self.labs[0].start(arguments, "redis")
        process.require("ready to accept connections", 5)
        return process

    def connected(self, gateway: Gateway) -> bool:
        """Whether a gateway reaches the store."""
        current = ("enforcer_store_current_timestamp_seconds", ())
        metrics = gateway.metrics()
        return metrics["enforcer_store_connected", ()] == 1 and current in metrics

    def account(self, at: int, session: str, number: str) -> None:
        """Have one gateway hear that a session holds the mobile line's address."""
        time.sleep(1.1)
        lines = [
            "Acct-Status-Type = Start", f'Acct-Session-Id = "{session}"', f'Calling-Station-Id = "{number}"',
            'NAS-Identifier = "bras-1"', f"Event-Timestamp = {int(time.time())}",
            f"Framed-IP-Address = {MOBILE.ip4.ip}",
        ]  # fmt: skip
        arguments = ["radclient", "-x", "-r", "1", "-t", "2", "127.0.0.1:1813", "acct", SECRET]
        said = self.labs[at].gateway.run(arguments, text="\n".join(lines) + "\n").stdout
        assert "Received Accounting-Response" in said

    def registered_at(self, which: int) -> bool:
        """Whether a gateway's kernel lets the mobile line go."""
        listed = self.labs[which].gateway.run(["nft", "list", "set", "inet", "enforcer", "registered4"]).stdout
        return str(MOBILE.ip4.ip) in listed

    def refused_at(self, which: int) -> bool:
        """Whether a new tunnel from the mobile line is refused at a gateway, and not merely slow."""
        lab = self.labs[which]
        server = WireGuardServer(lab.internet, lab.next_port())
        with server.client(lab.subscriber("mobile")) as client:
            refused = wait_until(lambda: client.icmp_prohibited() or client.is_up(0.1), 7) and not client.is_up(
                0.1
            )
        server.stop()
        return refused


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack)


def test_what_one_gateway_hears_the_other_knows_within_a_second(pair: Pair) -> None:
    pair.account(0, "first", NUMBER)
    begin = time.monotonic()
    assert wait_until(lambda: pair.registered_at(1), 3)
    assert time.monotonic() - begin < 1
    assert not pair.refused_at(1)
    pair.account(1, "second", OTHER_NUMBER)
    assert wait_until(lambda: not pair.registered_at(0), 1)
    assert pair.refused_at(0)
    assert pair.refused_at(1)


def test_a_store_that_dies_changes_nothing_and_one_that_comes_back_empty_is_filled(pair: Pair) -> None:
    pair.account(0, "third", NUMBER)
    assert wait_until(lambda: pair.registered_at(0) and pair.registered_at(1), 2)
    pair.redis.signal(signal.SIGKILL)
    assert wait_until(lambda: not any(pair.connected(each) for each in pair.gateways), 10)
    assert pair.registered_at(0)
    assert pair.registered_at(1)
    pair.account(0, "fourth", OTHER_NUMBER)
    assert wait_until(lambda: not pair.registered_at(0), 2)
    assert pair.registered_at(1), "the other gateway cannot know, and errs on the subscriber's side"
    pair.redis = pair.start_redis()
    assert wait_until(lambda: all(pair.connected(each) for each in pair.gateways), 15)
    assert wait_until(lambda: not pair.registered_at(1), 10), "what was heard meanwhile is told when it is back"
