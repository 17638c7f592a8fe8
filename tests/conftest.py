"""What all tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

# Whoever runs the tests in the background may ignore SIGINT, and what the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent
