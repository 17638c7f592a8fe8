"""A TUN device in a namespace: packets written to it arrive there as from a network card."""

from __future__ import annotations

import fcntl
import os
import struct
from types import TracebackType
from typing import Self

_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000


class Tun:
    """A TUN device, made in the namespace of the calling thread, gone when closed."""

    def __init__(self, name: str) -> None:
        self._descriptor = os.open("/dev/net/tun", os.O_RDWR)
        request = struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(self._descriptor, _TUNSETIFF, request)
        self.name = name

    def write(self, packet: bytes) -> None:
        """Have the kernel receive an IP packet."""
        os.write(self._descriptor, packet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
