"""Tests on real namespaces, real VPN software and a real NFQUEUE. They need root and fail without it."""
