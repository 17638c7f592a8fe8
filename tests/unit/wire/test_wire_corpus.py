"""The labelled public captures: every file reads, and every labelled flow comes out of our decoder.

The flows were labelled with other dissectors. Where those show a flow and we show none, the reason is in
`UNREAD`; it must be one that the packets themselves give.
"""

from __future__ import annotations

import csv
import ipaddress
import os
from collections import defaultdict
from pathlib import Path

import pytest

from enforcer.wire.capture import CaptureError, open_capture
from enforcer.wire.link import decode
from enforcer.wire.packet import Fragment, NotParsed, Packet
from enforcer.wire.reassembly import Reassembler

CORPUS = Path(os.environ.get("ENFORCER_CORPUS", Path(__file__).resolve().parents[3].parent / "shared" / "corpus"))

needs_corpus = pytest.mark.skipif(
    not (CORPUS / "flows.tsv").is_file(),
    reason=f"NO CORPUS at {CORPUS}: set ENFORCER_CORPUS to check the decoder on real captures",
)

Pair = tuple[str, frozenset[tuple[str, int]]]

UDP_LONG = "UDP length beyond the IP payload"
UDP_SHORT = "UDP length below its header's 8 bytes"
UDP_CUT = "UDP header cut short"
TCP_OFFSET = "TCP data offset outside the segment"
SNAPPED = "fragment cut short by the capture"
PENDING = "fragments missing"
LENGTH = "fragment length empty, or not a multiple of 8 though more follow"

# Files with a labelled flow that our rules refuse to read, and the rule.
UNREAD = {
    "ndpi/fuzz-2006-09-29-28586.pcap": TCP_OFFSET,
    "ndpi/ip_fragmented_garbage.pcap": TCP_OFFSET,
    "ndpi/kerberos_fuzz.pcapng": TCP_OFFSET,
    "pcapplusplus/Tests__Packet++Test__PacketExamples__NullLoopback.pcapng": "link payload is not IP",
    "pcapplusplus/Tests__Pcap++Test__PcapExamples__null_loopback.pcap": "link payload is not IP",
    "suricata-verify/tests__bug-6875-01__fuzz.pcap": TCP_OFFSET,
    "suricata-verify/tests__decode-too-small__test.pcap": UDP_CUT,
    "suricata-verify/tests__udp-5379__udp-len-invalid__input.pcap": UDP_SHORT,
    "tcpdump/bgp-bgp_capabilities_print-oobr-1.pcap": SNAPPED,
    "tcpdump/bgp_pmsi_tunnel-oobr.pcap": SNAPPED,
    "tcpdump/bigtcp-ipv4-geneve-ipv4.pcap": UDP_SHORT,
    "tcpdump/bigtcp-ipv4-geneve-ipv6.pcap": UDP_SHORT,
    "tcpdump/bigtcp-ipv4-vxlan-ipv4.pcap": UDP_SHORT,
    "tcpdump/bigtcp-ipv4-vxlan-ipv6.pcap": UDP_SHORT,
    "tcpdump/bootp_asan-2.pcap": SNAPPED,
    "tcpdump/bootp_asan.pcap": SNAPPED,
    "tcpdump/cve-2014-8767-OLSR.pcap": UDP_LONG,
    "tcpdump/dhcp6_reconf_asan.pcap": SNAPPED,
    "tcpdump/esp_truncated.pcap": SNAPPED,
    "tcpdump/hncp_dhcpv4data-oobr.pcap": SNAPPED,
    "tcpdump/hoobr_aodv_extension.pcap": UDP_LONG,
    "tcpdump/ikev1_id_ipv6_addr_subnet-oobr.pcap": SNAPPED,
    "tcpdump/isakmp-3948-oobr-2.pcap": UDP_LONG,
    "tcpdump/isakmp-delete-segfault.pcap": UDP_LONG,
    "tcpdump/isakmp-ikev1_n_print-oobr.pcap": SNAPPED,
    "tcpdump/isakmp-rfc3948-oobr.pcap": UDP_LONG,
    "tcpdump/isakmpv1-attr-oobr.pcap": SNAPPED,
    "tcpdump/kh-timed-001-oobr.pcap": UDP_LONG,
    "tcpdump/kh-timed-002-oobr.pcap": UDP_LONG,
    "tcpdump/olsr-oobr-2.pcap": UDP_LONG,
    "tcpdump/quic_32_bit_pointer_overflow.pcap": UDP_SHORT,
    "tcpdump/rsvp_uni-oobr-3.pcap": SNAPPED,
    "tcpdump/rtp-seg-fault-1.pcapng": UDP_LONG,
    "tcpdump/snmp-heapoverflow-1.pcap": UDP_LONG,
    "tcpdump/udp-length-heapoverflow.pcap": UDP_CUT,
    "tcpdump/vqp-oobr.pcap": SNAPPED,
    "wireshark-wiki/SampleCaptures__ejemplo.pcap": TCP_OFFSET,
    "wireshark-wiki/SampleCaptures__teardrop.pcap": LENGTH,
    "zeek/testing__btest__Traces__ipv4__fragmented-3.pcap": PENDING,
    "zeek/testing__btest__Traces__ipv6-reassembly-state-leak.pcap": PENDING,
    "zeek/testing__btest__Traces__quic__383379789-decrypt-crash.pcap": UDP_LONG,
}


def endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return str(ipaddress.ip_address(host.strip("[]"))), int(port)


def flows_of(path: Path) -> tuple[set[Pair], set[str], str | None]:
    """The flows our decoder sees in a file, the reasons it gave for the rest, and the reader's complaint."""
    flows: set[Pair] = set()
    reasons: set[str] = set()
    reassembler = Reassembler(1024, 30)
    try:
        with open_capture(path) as capture:
            for frame in capture:
                assert len(frame.data) <= frame.wire_length
                parsed: Packet | Fragment | NotParsed | None = decode(
                    frame.link_type, frame.data, frame.wire_length
                )
                if isinstance(parsed, Fragment):
                    parsed = reassembler.add(parsed, frame.time)
                if isinstance(parsed, Packet):
                    assert len(parsed.payload) <= parsed.payload_length
                    ends = (
                        (str(ipaddress.ip_address(parsed.source)), parsed.source_port),
                        (str(ipaddress.ip_address(parsed.destination)), parsed.destination_port),
                    )
                    flows.add((parsed.protocol.label, frozenset(ends)))
                elif isinstance(parsed, NotParsed):
                    reasons.add(parsed.reason)
    except CaptureError as error:
        return flows, reasons, str(error)
    if len(reassembler):
        reasons.add(PENDING)
    return flows, reasons, None


@pytest.fixture(scope="module")
def corpus() -> dict[str, tuple[set[Pair], set[str], str | None]]:
    files = sorted(path for path in (CORPUS / "files").rglob("*") if path.is_file())
    assert files, f"{CORPUS}/files is empty"
    return {str(path.relative_to(CORPUS / "files")): flows_of(path) for path in files}


@needs_corpus
def test_every_labelled_flow_is_decoded(corpus: dict[str, tuple[set[Pair], set[str], str | None]]) -> None:
    missing: dict[str, list[str]] = defaultdict(list)
    with (CORPUS / "flows.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            ends = frozenset(endpoint(end) for end in row["pair"].split("<->"))
            if (row["transport"], ends) not in corpus[row["file"]][0]:
                assert row["expect"] in ("mustnot", "skip"), f"a flow that matters is not decoded: {row}"
                missing[row["file"]].append(f"{row['transport']} {row['pair']}")
    unexplained = {name: flows for name, flows in missing.items() if name not in UNREAD}
    assert not unexplained
    for name in missing:
        assert UNREAD[name] in corpus[name][1], name


@needs_corpus
def test_only_damaged_files_are_complained_about(
    corpus: dict[str, tuple[set[Pair], set[str], str | None]],
) -> None:
    complaints = {name: complaint for name, (_, _, complaint) in corpus.items() if complaint is not None}
    assert all(complaint.startswith(f"{CORPUS / 'files' / name}: ") for name, complaint in complaints.items())
    assert set(complaints) == {
        "libpcap/pcapng-invalid-vers-1.pcapng",
        "suricata-verify/tests__bug-1450-04__tls_DER-incomplete-header.pcap",
        "suricata-verify/tests__bug-1450-05__tls_DER-incomplete-content.pcap",
        "suricata-verify/tests__bug-6875-01__fuzz.pcap",
        "wireshark-wiki/SampleCaptures__ejemplo.pcap",
        "wireshark-wiki/SampleCaptures__ssl.dump.pcap",
    }
