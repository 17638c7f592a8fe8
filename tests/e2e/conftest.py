"""The lab's parts as fixtures. Without root, or without a program the lab needs, tests fail: they never skip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.network import Lab
from tests.lab.pki import Pki


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab without address translation, shared by a module's tests."""
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def nat_lab() -> Iterator[Lab]:
    """A lab whose gateway masquerades IPv4."""
    with Lab(nat=True) as made:
        yield made


@pytest.fixture(scope="module")
def pki(lab: Lab) -> Pki:
    """Certificates of the lab's server and client."""
    return make_pki(lab)


def make_pki(lab: Lab, use_rsa: bool = False) -> Pki:
    """Certificates for a lab's addresses."""
    return Pki(lab.new_folder("pki"), (lab.internet.ip4, lab.internet.ip6), use_rsa)
