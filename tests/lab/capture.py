"""Recording packets in the gateway, and reading and trimming what was recorded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.network import Node
from tests.lab.processes import LabError

_HEADER = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_MAGIC = 0xA1B2C3D4


class Capture:
    """tcpdump on one interface of the gateway, for all packets to and from ``host`` except ICMP's."""

    def __init__(self, gateway: Node, interface: str, host: str, path: Path) -> None:
        self._path = path
        expression = f"host {host} and not icmp and not icmp6"
        self._process = gateway.popen(
            ["tcpdump", "-Z", "root", "-i", interface, "-w", str(path), "-U", "--immediate-mode", expression],
            "tcpdump",
        )
        self._process.require("listening on", 5)

    def stop(self) -> None:
        """End the recording."""
        self._process.stop()
        if not self._path.exists():
            raise LabError(f"tcpdump wrote nothing: {self._process.log()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def records(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The record header and the frame of each packet in a little-endian pcap file, as tcpdump writes here.

    Raises LabError for any other format.
    """
    data = path.read_bytes()
    if len(data) < _HEADER.size or _HEADER.unpack_from(data)[0] != _MAGIC:
        raise LabError(f"{path}: not a little-endian pcap file with microseconds")
    position = _HEADER.size
    while position + _RECORD.size <= len(data):
        header = data[position : position + _RECORD.size]
        length = _RECORD.unpack(header)[2]
        position += _RECORD.size
        yield header, data[position : position + length]
        position += length


def trim(source: Path, target: Path, limit: int) -> int:
    """Copy whole packets from the start while the file stays within ``limit`` bytes; the number of packets."""
    kept = bytearray(source.read_bytes()[: _HEADER.size])
    count = 0
    for header, frame in records(source):
        if len(kept) + len(header) + len(frame) > limit:
            break
        kept += header + frame
        count += 1
    target.write_bytes(kept)
    return count
