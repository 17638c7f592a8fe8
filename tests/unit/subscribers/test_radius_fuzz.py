"""Some of the fuzzed packets of ``tests.bench.radius``, which runs a million of them."""

from __future__ import annotations

import random
from ipaddress import ip_network
from itertools import islice

from enforcer.subscribers.radius.clients import Client
from enforcer.subscribers.radius.codec import Codec, Outcome
from enforcer.subscribers.radius.pseudonyms import Pseudonyms
from tests.bench.radius import check, fuzzed
from tests.lab import radius as lab


def test_nothing_gets_through_without_its_secret() -> None:
    codec = Codec("Calling-Station-Id", Pseudonyms(lab.KEY, "PK"))
    client = Client("lab", (ip_network("127.0.0.1"),), lab.SECRET)
    seen = {check(codec, client, *packet) for packet in islice(fuzzed(random.Random(2)), 20_000)}
    possible = set(Outcome) - {Outcome.DUPLICATE, Outcome.UNKNOWN_CLIENT, Outcome.OVERLOADED, Outcome.FAILED}
    assert seen == possible - {Outcome.STATUS_SERVER}, "the fuzzing does not reach every outcome any more"
