"""The bytes of a capture file in chunks, decompressed on the way. Nothing else in this room reads files."""

from __future__ import annotations

import os
import stat
import zlib
from io import FileIO
from pathlib import Path

from enforcer.wire.frame import CaptureError

CHUNK = 256 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS


class ByteStream:
    """A file's bytes; gzip (RFC 1952) is recognised by its magic, several members included.

    ``size`` is the file's in bytes (0 if it is not a regular file), ``position`` how many of them were read.
    Raises CaptureError for everything that can go wrong with a file.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self.position = 0
        try:
            self._file = FileIO(self.name)
        except IsADirectoryError as error:
            raise self.error("is a directory, expected a pcap or pcapng file: name the files in it") from error
        except FileNotFoundError as error:
            raise self.error("no such file, expected a pcap or pcapng file: check the path") from error
        except OSError as error:
            raise self.error(f"cannot be opened ({error.strerror}): check the path and permissions") from error
        status = os.fstat(self._file.fileno())
        self.size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        self._pending = b""
        self._inflate: zlib._Decompress | None = None
        self._compressed = b""
        try:
            self._start()
        except CaptureError:
            self.close()
            raise

    def _start(self) -> None:
        head = self._read()
        if head.startswith(_GZIP_MAGIC):
            self._inflate = zlib.decompressobj(_GZIP)
            self._compressed = head
        else:
            self._pending = head

    def error(self, text: str) -> CaptureError:
        """An error about this file."""
        return CaptureError(f"{self.name}: {text}")

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def peek(self, count: int) -> bytes:
        """At least ``count`` bytes of what `next_chunk` will return next, or all there are."""
        while len(self._pending) < count:
            more = self._more()
            if not more:
                break
            self._pending += more
        return self._pending

    def next_chunk(self) -> bytes:
        """The next bytes, at most about 256 KiB; empty at the end of the file."""
        pending, self._pending = self._pending, b""
        return pending or self._more()

    def _read(self) -> bytes:
        try:
            data = self._file.read(CHUNK)
        except OSError as error:
            raise self.error(
                f"reading at byte {self.position} failed ({error.strerror}): check the disk, copy the file again"
            ) from error
        self.position += len(data)
        return data

    def _more(self) -> bytes:
        return self._read() if self._inflate is None else self._decompress(self._inflate)

    def _decompress(self, inflate: zlib._Decompress) -> bytes:
        while True:
            if inflate.eof:
                rest = inflate.unused_data or self._read()
                while rest and not rest.strip(b"\0"):  # padding after the last member, as tape archives leave it
                    rest = self._read()
                if not rest:
                    return b""
                inflate = self._inflate = zlib.decompressobj(_GZIP)
                self._compressed = rest
            if not self._compressed:
                self._compressed = self._read()
                if not self._compressed:
                    raise self.error(
                        f"the gzip data ends early, at byte {self.position} of the compressed file: "
                        "it was cut short while being written or copied, copy it again"
                    )
            try:
                data = inflate.decompress(self._compressed, CHUNK)
            except zlib.error as error:
                raise self.error(
                    f"broken gzip data before byte {self.position} of the compressed file ({error}): "
                    "copy it again, `gzip -t` tells whether it is whole"
                ) from error
            self._compressed = inflate.unconsumed_tail
            if data:
                return data
