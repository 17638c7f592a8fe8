"""Mixed traffic, registrations and sessions that come and go, drift made by hand: `python -m tests.soak`."""

from __future__ import annotations

import argparse
import random
import socket
import time
from collections.abc import Iterator
from itertools import count

from tests.lab import radius
from tests.lab.gateway import NUMBER, Gateway, Setup, registrations
from tests.lab.network import Lab
from tests.lab.processes import wait_until
from tests.lab.wireguard import WireGuardServer
from tests.soak.bystanders import Bystanders, refused
from tests.soak.process import Held, elements, held, slope

COMPANIES = 400
"""Registrations beside the lab's own, each revoked and registered again at random."""

PHONES = 200
"""Mobile addresses that sessions of the registered number and of others take in turn."""

OTHERS = "923217654321"
FIRST_THIRD = 3
"""Memory is compared from a third of the time on: caches fill first."""

KIB_AN_HOUR = 4096
"""How fast the daemon's memory may grow, and still count as flat: sampling noise over minutes is as much."""


class Churn:
    """What is registered and who holds what, changed at random; what the kernel must hold follows from it."""

    def __init__(self, gateway: Gateway, seed: int) -> None:
        self._gateway = gateway
        self._random = random.Random(seed)
        self._revoked: set[int] = set()
        self._held: dict[int, tuple[int, bool]] = {}
        self._ids: Iterator[int] = count()
        self._identifiers: Iterator[int] = count()
        self._socket = gateway.lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", 1813))
        self._socket.settimeout(2)
        self.reloads = self.sessions = 0

    def rows(self) -> tuple[str, ...]:
        """The list as it is now."""
        companies = (f"X-{n},company,{_company(n)},,2026-01-01,,,,,,,," for n in range(COMPANIES))
        revoked = (f",,,,,,,,,X-{n},returned,2026-01-02,2026-01-03" for n in sorted(self._revoked))
        return (*registrations(), *companies, *revoked)

    def change_list(self) -> None:
        """Revoke some, let others return; the daemon notices that the file has changed."""
        self._revoked = set(self._random.sample(range(COMPANIES), self._random.randrange(COMPANIES // 2)))
        self._gateway.setup.rows = self.rows()
        self._gateway.write()
        self.reloads += 1

    def change_sessions(self) -> None:
        """A few sessions begin or end."""
        for phone in self._random.sample(range(PHONES), 10):
            begins = phone not in self._held
            if begins:
                self._held[phone] = next(self._ids), self._random.random() < 0.5
            session, registered = self._held[phone]
            self._account(radius.START if begins else radius.STOP, session, phone, registered)
            if not begins:
                del self._held[phone]

    def expected(self) -> set[str]:
        """The addresses that the kernel's registered4 is to hold."""
        companies = {_company(n) for n in range(COMPANIES) if n not in self._revoked}
        phones = {_phone(phone) for phone, (_, registered) in self._held.items() if registered}
        return {registrations()[0].split(",")[2]} | companies | phones

    def close(self) -> None:
        """No more accounting."""
        self._socket.close()

    def _account(self, status: int, session: int, phone: int, registered: bool) -> None:
        number = (NUMBER.removeprefix("+") if registered else OTHERS).encode()
        attributes = radius.session(status, f"s-{session}".encode(), number, _phone(phone))
        asked = radius.request(attributes, identifier=next(self._identifiers) % 256)
        self._socket.send(asked)
        assert radius.is_answer(self._socket.recv(4096), asked), "accounting is not answered"
        self.sessions += 1


def _company(number: int) -> str:
    return f"198.18.{number >> 8}.{number & 255}"


def _phone(number: int) -> str:
    return f"100.64.1.{number + 30}"


def drift(gateway: Gateway, chosen: random.Random, there: set[str]) -> None:
    """Another hand takes one address out of our set."""
    address = chosen.choice(sorted(there))
    gateway.lab.gateway.run(["nft", "delete", "element", "inet", "enforcer", "registered4", f"{{ {address} }}"])


def differing(lab: Lab, churn: Churn) -> set[str]:
    """What the kernel lacks, and what it holds besides."""
    return elements(lab.gateway, "registered4") ^ churn.expected()


def soak(lab: Lab, minutes: float, seed: int) -> bool:
    """Run for some minutes; whether all went well."""
    secret = lab.new_folder("secret") / "bras"
    secret.touch(mode=0o600)
    secret.write_bytes(radius.SECRET)
    clients = [{"name": "bras", "addresses": ["127.0.0.1"], "secret_file": str(secret)}]
    extra: dict[str, dict[str, object]] = {
        "sessions": {"file": None, "snapshot": "sessions.sqlite"},
        "radius": {"listen": ["127.0.0.1:1813"], "clients": clients},
        "registry": {"max_shrink": 100},
        "control": {"socket": "control.sock"},
        "shadow": {"file": "shadow.sqlite"},
    }
    chosen = random.Random(seed)
    samples: list[tuple[float, Held]] = []
    drifts = tunnels = 0
    with Gateway(lab, Setup(extra=extra, sessions={})) as gateway, Bystanders(lab) as bystanders:
        churn = Churn(gateway, seed)
        server = WireGuardServer(lab.internet, lab.next_port())
        began = time.monotonic()
        end = began + minutes * 60
        turn = 0
        while time.monotonic() < end:
            turn += 1
            churn.change_sessions()
            if turn % 2 == 0:
                churn.change_list()
            if turn % 10 == 0:
                with server.client(lab.subscriber("stranger")) as stranger:
                    assert wait_until(stranger.icmp_prohibited, 7), "an unregistered tunnel was not refused"
                tunnels += 1
            if turn % 15 == 0:
                assert wait_until(lambda: not differing(lab, churn), 30), differing(lab, churn)
                drift(gateway, chosen, churn.expected())
                drifts += 1
            if turn % 5 == 0:
                samples.append(((time.monotonic() - began) / 3600, held(gateway.process.pid, lab.gateway)))
                gateway.metrics()
                streams = "; ".join(str(one.so_far()) for one in (*bystanders.streams, bystanders.queued))
                print(f"{(time.monotonic() - began) / 60:.1f} min {samples[-1][1]} {streams}", flush=True)
            time.sleep(1)
        consistent = wait_until(lambda: not differing(lab, churn), 60)
        still = refused(lab)
        found = bystanders.stop()
        metrics = gateway.metrics()
        repaired = metrics["enforcer_kernel_repairs_total", (("what", "elements"),)]
        churn.close()
        server.stop()
    later = [sample for sample in samples if sample[0] >= minutes / 60 / FIRST_THIRD]
    growth = slope([(hour, float(one.rss)) for hour, one in later])
    print(
        f"{minutes:g} minutes, seed {seed}: {churn.reloads} lists, {churn.sessions} accounting messages, ", end=""
    )
    print(f"{tunnels} unregistered tunnels, all refused; {drifts} drifts by hand, {repaired:.0f} repaired")
    print("\n".join(map(str, found)))
    print(f"RSS {later[0][1].rss} KiB -> {later[-1][1].rss} KiB, slope {growth:+.0f} KiB/h")
    print(f"descriptors, threads, children, nft objects: {later[0][1][1:]} -> {later[-1][1][1:]}")
    print(f"kernel sets {'as' if consistent else 'NOT as'} expected at the end; refusing: {still}")
    flat = growth <= KIB_AN_HOUR or later[-1][1].rss <= later[0][1].rss
    # A list that removes the same address, or is loaded anew, puts some right before they are noticed.
    return consistent and still and flat and 0 < repaired <= drifts and not any(one.lost for one in found)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with Lab() as lab:
        well = soak(lab, arguments.minutes, arguments.seed)
    print("well" if well else "NOT WELL")
    return 0 if well else 1


if __name__ == "__main__":
    raise SystemExit(main())
