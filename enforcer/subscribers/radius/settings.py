"""What the listener's process needs to know, and how it gets there: never by arguments or environment."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from ipaddress import ip_network

from enforcer.subscribers.radius.clients import Client


@dataclass(frozen=True, slots=True)
class Settings:
    """``listen`` are addresses and ports; ``region`` is where local numbers belong (ISO 3166-1 alpha-2); ``key``
    is that of the tags; ``number_attribute`` is one of the codec's NUMBER_ATTRIBUTES."""

    clients: tuple[Client, ...]
    region: str
    key: bytes = field(repr=False)
    listen: tuple[tuple[str, int], ...] = (("0.0.0.0", 1813), ("::", 1813))
    number_attribute: str = "Calling-Station-Id"


def to_descriptor(settings: Settings) -> int:
    """A descriptor of a nameless file in memory that holds the settings, for the child to inherit."""
    clients = [
        (client.name, [str(network) for network in client.networks], client.secret.hex())
        for client in settings.clients
    ]
    content = json.dumps(
        {
            "clients": clients,
            "region": settings.region,
            "key": settings.key.hex(),
            "listen": settings.listen,
            "number_attribute": settings.number_attribute,
        }
    )
    descriptor = os.memfd_create("radius-settings")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def from_descriptor(descriptor: int) -> Settings:
    """The settings; closes the descriptor."""
    with open(descriptor, "rb") as file:
        content = json.load(file)
    clients = tuple(
        Client(name, tuple(ip_network(text) for text in networks), bytes.fromhex(secret))
        for name, networks, secret in content["clients"]
    )
    return Settings(
        clients,
        content["region"],
        bytes.fromhex(content["key"]),
        tuple((address, port) for address, port in content["listen"]),
        content["number_attribute"],
    )
