"""Tests of the gateway daemon, and the lab they run in."""
