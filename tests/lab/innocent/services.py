"""Programs with a server and a client of their own: DTLS, SIP, SNMP, iperf3, ping."""

from __future__ import annotations

import json
import re
import time

from tests.lab.innocent.setting import Setting
from tests.lab.processes import LabError
from tests.lab.traffic import Exchange, ping

_LINES = 30
_CALLS = 20
_GETS = 20


def icmp_echo(setting: Setting) -> Exchange:
    """ping(8)."""
    return ping("ICMP echo", setting.client, setting.address, 10)


def dtls(setting: Setting) -> Exchange:
    """Lines of text to GnuTLS's DTLS server (RFC 6347), which echoes them."""
    key, certificate = setting.pki.path("server.key"), setting.pki.path("server.pem")
    serving = setting.server.popen(
        [
            *("gnutls-serv", "--udp", "--echo", "--port", "4433", "--disable-client-cert"),
            *(f"--x509keyfile={key}", f"--x509certfile={certificate}"),
        ],
        "dtls-server",
    )
    answered = 0
    with serving:
        serving.require("Echo Server listening on .* done|listening on", 5)
        authority = setting.pki.path("ca.pem")
        client = setting.client.popen(
            [
                *("gnutls-cli", "--udp", "--port", "4433", f"--x509cafile={authority}"),
                *("--verify-hostname=server.lab", setting.address),
            ],
            "dtls-client",
        )
        with client:
            if client.wait_for("Handshake was completed", 5):
                for number in range(_LINES):
                    client.write(f"line-{number:04d}\n")
                    answered += client.wait_for(f"line-{number:04d}", 2.0)
    return Exchange("DTLS", _LINES, _LINES - answered, note="lines echoed")


def sip(setting: Setting) -> Exchange:
    """Calls with SIPp's built-in scenario (RFC 3261: INVITE to BYE)."""
    folder = setting.client.lab.new_folder("sip")
    # The answering side ends by itself after its last call.
    common = ["-nostdin", "-p", "5060", "-m", str(_CALLS)]
    server = setting.server.popen(
        ["sipp", "-sn", "uas", "-i", _bracketed(setting.address), *common], "sip-server", directory=folder
    )
    with server:
        time.sleep(0.3)
        client = setting.client.popen(
            [
                *("sipp", "-sn", "uac", f"{_bracketed(setting.address)}:5060"),
                *(
                    "-i",
                    _bracketed(setting.client.address(setting.version)),
                    *common,
                    "-r",
                    "20",
                    "-timeout",
                    "10s",
                ),
            ],
            "sip-client",
            directory=folder,
        )
        with client:
            client.wait(20)
            successful = re.findall(r"Successful call\s*\|\s*\d+\s*\|\s*(\d+)", client.log())
    done = int(successful[-1]) if successful else 0
    return Exchange("SIP", _CALLS, _CALLS - done, note="calls")


def snmp(setting: Setting) -> Exchange:
    """Requests with net-snmp's snmpget to its snmpd, SNMP version 2c (RFC 3416)."""
    folder = setting.server.lab.new_folder("snmp")
    (folder / "snmpd.conf").write_text("rocommunity public\nrocommunity6 public\nsysDescr a gateway's lab\n")
    transport = "udp6" if setting.version == 6 else "udp"
    endpoint = f"{transport}:{_bracketed(setting.address)}"
    environment = {"SNMP_PERSISTENT_DIR": str(folder)}
    arguments = ["snmpd", "-f", "-Lo", "-C", "-c", str(folder / "snmpd.conf"), "-p", str(folder / "pid")]
    with setting.server.popen([*arguments, f"{endpoint}:161"], "snmpd", environment) as server:
        server.require("NET-SNMP version", 5)
        answered = 0
        for _ in range(_GETS):
            done = setting.client.run(
                ["snmpget", "-v2c", "-c", "public", "-t1", "-r0", endpoint, "1.3.6.1.2.1.1.1.0"], check=False
            )
            answered += "a gateway's lab" in done.stdout
    return Exchange("SNMP", _GETS, _GETS - answered, note="requests")


def iperf_tcp(setting: Setting) -> Exchange:
    """Two seconds of TCP at 200 Mbit/s, which no queue here overflows; lost is what had to be sent again."""
    end = _iperf(setting, ["--bitrate", "200M", "--time", "2"])
    sent, rate = end["sum_sent"], end["sum_received"]["bits_per_second"] / 1e6
    segments = int(sent["bytes"] / 1448)
    return Exchange("iperf3 TCP", segments, int(sent["retransmits"]), note=f"segments, {rate:.0f} Mbit/s")


def iperf_udp(setting: Setting) -> Exchange:
    """Two seconds of UDP at 20 Mbit/s."""
    end = _iperf(setting, ["--udp", "--bitrate", "20M", "--length", "1200", "--time", "2"])["sum"]
    return Exchange("iperf3 UDP", int(end["packets"]), int(end["lost_packets"]), note="datagrams")


def _iperf(setting: Setting, options: list[str]) -> dict[str, dict[str, float]]:
    with setting.server.popen(["iperf3", "--server", "--one-off", "--forceflush"], "iperf3") as server:
        server.require("Server listening", 3)
        done = setting.client.run(
            ["iperf3", "--client", setting.address, "--json", *options], timeout=20, check=False
        )
    result = json.loads(done.stdout)
    if "error" in result:
        raise LabError(f"iperf3: {result['error']}")
    end: dict[str, dict[str, float]] = result["end"]
    return end


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
