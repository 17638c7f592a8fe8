"""QUIC (RFC 9000) with aioquic: echoed streams on one connection."""

from __future__ import annotations

import asyncio
import socket
import time

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import QuicEvent, StreamDataReceived

from tests.lab.innocent.setting import Setting
from tests.lab.traffic import Exchange

_PORT = 443
_STREAMS = 50


def quic(setting: Setting) -> Exchange:
    """Fifty streams, each a kilobyte there and back."""
    return asyncio.run(_exchange(setting))


class _Echo(QuicConnectionProtocol):
    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived) and event.end_stream:
            self._quic.send_stream_data(event.stream_id, event.data, end_stream=True)
            self.transmit()


async def _exchange(setting: Setting) -> Exchange:
    family = socket.AF_INET6 if setting.version == 6 else socket.AF_INET
    loop = asyncio.get_running_loop()
    serving = QuicConfiguration(is_client=False, alpn_protocols=["lab"])
    serving.load_cert_chain(setting.pki.path("server.pem"), setting.pki.path("server.key"))
    listening = setting.server.socket(family, socket.SOCK_DGRAM)
    listening.setblocking(False)
    listening.bind((setting.address, _PORT))
    _, server = await loop.create_datagram_endpoint(
        lambda: QuicServer(configuration=serving, create_protocol=_Echo), sock=listening
    )
    calling = QuicConfiguration(is_client=True, alpn_protocols=["lab"], server_name="server.lab", idle_timeout=5.0)
    calling.load_verify_locations(str(setting.pki.path("ca.pem")))
    own = setting.client.socket(family, socket.SOCK_DGRAM)
    own.setblocking(False)
    own.bind((setting.client.address(setting.version), 0))
    transport, client = await loop.create_datagram_endpoint(
        lambda: QuicConnectionProtocol(QuicConnection(configuration=calling)), sock=own
    )
    round_trips: list[float] = []
    try:
        # The kernel names IPv6 senders by four fields, and aioquic compares.
        client.connect((setting.address, _PORT, 0, 0) if setting.version == 6 else (setting.address, _PORT))
        await asyncio.wait_for(client.wait_connected(), 5)
        for _ in range(_STREAMS):
            began = time.perf_counter()
            reader, writer = await client.create_stream()
            writer.write(b"q" * 1000)
            writer.write_eof()
            if len(await asyncio.wait_for(reader.read(), 2)) == 1000:
                round_trips.append((time.perf_counter() - began) * 1000)
        client.close()
    except (TimeoutError, ConnectionError):
        # Streams without an answer are the ones lost.
        pass
    finally:
        transport.close()
        server.close()
    return Exchange("QUIC", _STREAMS, _STREAMS - len(round_trips), tuple(round_trips), "streams")
