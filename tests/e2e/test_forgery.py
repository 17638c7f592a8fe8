"""What a third party forges: nobody who did nothing, and nobody registered, notices."""

from __future__ import annotations

import time

from tests.lab.gateway import Gateway, Setup, registrations
from tests.lab.network import STRANGER, Lab
from tests.lab.traffic import udp_pair
from tests.soak.bystanders import handshake
from tests.unit.fingerprints.builders import PEER_SESSION, SESSION, ovpn_body, ovpn_plain

CLIENT_RESET, SERVER_RESET = 7, 8
LIMITED = f"C-8,company,{STRANGER.ip4.ip},,2026-01-01,,openvpn,,,,,,"
"""A company that has registered OpenVPN, and nothing else."""


def test_a_forged_refusal_of_one_family_stops_no_handshake_of_another() -> None:
    with Lab() as lab, Gateway(lab, Setup(rows=(*registrations(), LIMITED), wifi_calling=False)) as gateway:
        client, server = udp_pair(lab.subscriber("stranger"), lab.internet, 1194)
        with client, server:
            client.send(ovpn_plain(CLIENT_RESET, ovpn_body(), SESSION))
            server.settimeout(2)
            data, sender = server.recvfrom(2048)
            assert data[1:9] == SESSION
            # As if from the server's address: who can forge that need not be near it.
            for number in range(3):
                server.sendto(handshake(number), sender)
            time.sleep(0.3)
            assert gateway.handshakes()["wireguard", "rejected"] >= 1, gateway.handshakes()
            server.sendto(ovpn_plain(SERVER_RESET, ovpn_body((0,), SESSION), PEER_SESSION), sender)
            client.settimeout(2)
            assert client.recv(2048)[1:9] == PEER_SESSION, "the registered family's answer was refused"
