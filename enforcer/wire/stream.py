"""The bytes of a capture file in chunks, decompressed on the way. Nothing else in this room reads files."""

from __future__ import annotations

import os
import stat
import zlib
from io import FileIO
from pathlib import Path

from enforcer.wire.batch import SLACK
from enforcer.wire.frame import CaptureError

CHUNK = 256 * 1024
WINDOW = 4 * 1024 * 1024
"""Bytes of a capture looked at at once, unless one record is longer."""

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
        """At least ``count`` bytes of what is read next, or all there are."""
        while len(self._pending) < count:
            more = self._more()
            if not more:
                break
            self._pending += more
        return self._pending

    def read_into(self, view: memoryview) -> int:
        """Fill the view from its start with the next bytes; how many they are, 0 only at the end of the file."""
        if not self._pending and self._inflate is None:
            try:
                count = self._file.readinto(view)
            except OSError as error:
                raise self._failed(error) from error
            self.position += count
            return count
        data = self._pending or self._more()
        count = min(len(data), len(view))
        view[:count] = data[:count]
        self._pending = data[count:]
        return count

    def _read(self) -> bytes:
        try:
            data = self._file.read(CHUNK)
        except OSError as error:
            raise self._failed(error) from error
        self.position += len(data)
        return data

    def _failed(self, error: OSError) -> CaptureError:
        return self.error(
            f"reading at byte {self.position} failed ({error.strerror}): check the disk, copy the file again"
        )

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


class Window:
    """A stretch of a file's bytes in a buffer that is reused: ``buffer[:end]``, from byte ``base`` of the file."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.buffer = bytearray(WINDOW + SLACK)
        self.base = 0
        self.end = 0
        self._error: CaptureError | None = None

    def advance(self, at: int) -> bool:
        """Drop what stands before ``at`` and read more behind the rest; False at the end of the file.

        Raises CaptureError where reading fails, once everything before that place has been looked at.
        """
        if self._error is not None:
            raise self._error
        rest = self.end - at
        old = self.buffer
        if 2 * rest > len(old) - SLACK:
            self.buffer = bytearray(2 * len(old))
        self.base += at
        with memoryview(self.buffer) as view:
            view[:rest] = memoryview(old)[at : self.end]
            self.end = rest
            # Compressed data and pipes come in small pieces.
            while self.end <= (len(self.buffer) - SLACK) // 2:
                try:
                    count = self._stream.read_into(view[self.end : -SLACK])
                except CaptureError as error:
                    self._error = error
                    break
                self.end += count
                if not count:
                    break
        return self.end > rest or self._error is not None
