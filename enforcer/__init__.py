"""Applies a VPN registration scheme fairly on an ISP's gateway."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("enforcer")
except PackageNotFoundError:
    __version__ = "0+unknown"
