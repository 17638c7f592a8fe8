"""The listener's process: ``python -m enforcer.subscribers.radius SETTINGS CHANNEL SOCKET...``, all descriptors.

Started by ``RadiusProcess``; of no use by hand. It ends when the daemon does.
"""

from __future__ import annotations

import socket
import sys

from enforcer import core_dumps, logs
from enforcer.subscribers.radius.clients import ClientTable
from enforcer.subscribers.radius.codec import Codec
from enforcer.subscribers.radius.listener import Listener
from enforcer.subscribers.radius.pseudonyms import Pseudonyms
from enforcer.subscribers.radius.settings import from_descriptor


def main() -> None:
    """Serve until the daemon is gone."""
    core_dumps.forbid()
    logs.to_standard_error()
    descriptor, *descriptors = (int(argument) for argument in sys.argv[1:])
    settings = from_descriptor(descriptor)
    channel, *sockets = (socket.socket(fileno=inherited) for inherited in descriptors)
    codec = Codec(settings.number_attribute, Pseudonyms(settings.key, settings.region))
    Listener(sockets, ClientTable(settings.clients), codec, channel).run()


if __name__ == "__main__":
    main()
