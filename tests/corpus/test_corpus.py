"""The detector against the labelled public captures."""

from __future__ import annotations

import functools

import pytest

from enforcer.fingerprints.detection import Family
from tests.corpus import score

DIRECTORY = score.corpus_directory()

pytestmark = pytest.mark.skipif(
    not (DIRECTORY / "flows.tsv").is_file(),
    reason=f"NOT TESTED AGAINST REAL CAPTURES: no corpus at {DIRECTORY}; set ENFORCER_CORPUS to its directory",
)


@functools.cache
def scored() -> tuple[score.Score, score.Sieve]:
    rows = score.labels(DIRECTORY)
    flows, sieve = score.run(DIRECTORY, sorted({key.file for key in rows}))
    return score.score(flows, rows), sieve


def test_every_flow_that_must_be_found_is_found_with_its_variant() -> None:
    result, _ = scored()
    assert (result.misses, result.wrong_variants) == ([], [])
    assert sum(result.must.values()) == sum(result.must_found.values()) == 60


def test_nothing_is_found_in_innocent_flows() -> None:
    result, _ = scored()
    assert result.mustnot == 10_833
    assert dict(result.false_positives) == {}
    assert result.unlabelled == []


def test_handshakes_are_proven_on_their_first_packet() -> None:
    """All but two. One is made by hand, with a clock two years wrong: it waits for the answer, as it should. The
    other's first packet on port 4500 is an IKE_AUTH whose next payload, 127, no RFC assigns."""
    result, _ = scored()
    assert [text.split()[0] for text in result.late] == [
        "arkime/openvpn_synthetic.cut02.pcap",
        "ndpi/ipsec_isakmp_esp.cut07.pcap",
    ]
    for family in Family:
        assert result.handshakes[family] > 0


def test_the_sieve_holds_every_proof_and_hardly_anything_else() -> None:
    _, sieve = scored()
    assert sieve.missed == []
    for transport in ("udp", "tcp"):
        assert sieve.inspected[transport] > 50_000
        assert sieve.innocent[transport] / sieve.inspected[transport] < 1e-3


def test_a_clean_score_stays_clean_when_it_is_printed() -> None:
    result, sieve = scored()
    score.report(result, sieve)
    assert not result.failed
