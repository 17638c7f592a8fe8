"""Runs in a network namespace of its own: sends samples over loopback, prints which shapes the kernel matched."""

from __future__ import annotations

import json
import socket
import subprocess

from enforcer.fingerprints.catalogue import all_shapes
from enforcer.wire.packet import Packet, Protocol
from tests.unit.fingerprints.samples import Sample, samples

TABLE = "enforcer_probe"
LOOPBACK = socket.inet_aton("127.0.0.1")


def ruleset() -> str:
    """One named counter a shape, in the output hook."""
    counters = "\n".join(f"  counter c{number} {{ }}" for number in range(len(all_shapes())))
    rules = "\n".join(
        f'    {expression} counter name "c{number}"'
        for number, shape in enumerate(all_shapes())
        for expression in shape.nft()
    )
    chain = f"  chain out {{\n    type filter hook output priority 0;\n{rules}\n  }}"
    return f"table inet {TABLE} {{\n{counters}\n{chain}\n}}\n"


def counted() -> list[int]:
    listing = subprocess.run(
        ["nft", "-j", "list", "counters", "table", "inet", TABLE], capture_output=True, check=True
    )
    found = {
        item["counter"]["name"]: item["counter"]["packets"]
        for item in json.loads(listing.stdout)["nftables"]
        if "counter" in item
    }
    return [found[f"c{number}"] for number in range(len(all_shapes()))]


def send(sample: Sample) -> Packet:
    """Send it once to loopback; the packet as it was on the wire."""
    if sample.protocol is Protocol.UDP:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
            sink.bind(("127.0.0.1", sample.port))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.connect(("127.0.0.1", sample.port))
                sender.send(sample.payload)
                port = sender.getsockname()[1]
    else:
        with (
            socket.create_server(("127.0.0.1", sample.port)) as listener,
            socket.create_connection(("127.0.0.1", sample.port)) as sender,
        ):
            sender.sendall(sample.payload)
            port = sender.getsockname()[1]
            listener.accept()[0].recv(65535)
    length = len(sample.payload)
    return Packet(sample.protocol, LOOPBACK, LOOPBACK, port, sample.port, sample.payload, length)


def variations() -> list[Sample]:
    """The samples, and each with its first byte changed, its last cut, one more byte, and on another port."""
    found = []
    for sample in samples():
        payload = sample.payload
        found += [
            sample,
            sample._replace(payload=bytes((payload[0] ^ 1,)) + payload[1:]),
            sample._replace(payload=payload[:-1]),
            sample._replace(payload=payload + b"\x01"),
            sample._replace(port=2000),
        ]
        middle = len(payload) // 2
        found.append(sample._replace(payload=payload[:middle] + b"\xff\xff" + payload[middle + 2 :]))
    return found


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["nft", "-f", "-"], input=ruleset(), text=True, check=True)
    names = [shape.name for shape in all_shapes()]
    results = []
    before = counted()
    for sample in variations():
        packet = send(sample)
        after = counted()
        kernel = [name for name, old, new in zip(names, before, after, strict=True) if new > old]
        user_space = [shape.name for shape in all_shapes() if shape.matches(packet)]
        results.append({"sample": sample.name, "kernel": kernel, "user_space": user_space})
        before = after
    print(json.dumps(results))


if __name__ == "__main__":
    main()
