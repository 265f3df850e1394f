"""A file that lies elsewhere, of which only parts are needed: read over HTTP piece by piece."""

from __future__ import annotations

import http.client
import io
import re
import urllib.request

TIMEOUT = 20  # seconds without a byte
PIECE = 4 << 20  # bytes read ahead


class _Remote(io.RawIOBase):
    """Answers each read with a request for just these bytes."""

    def __init__(self, address: str) -> None:
        self._address, self._at = address, 0
        _, self._size = self._get(0, 1)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = min(len(buffer), self._size - self._at)
        if count <= 0:
            return 0
        content, _ = self._get(self._at, count)
        buffer[:count] = content
        self._at += count
        return count

    def _get(self, begin: int, count: int) -> tuple[bytes, int]:
        """So many bytes, and the size of the whole file."""
        asked = urllib.request.Request(self._address, headers={"Range": f"bytes={begin}-{begin + count - 1}"})
        with urllib.request.urlopen(asked, timeout=TIMEOUT) as answer:
            said = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
            if answer.status != http.client.PARTIAL_CONTENT or not said or int(said[1]) != begin:
                raise OSError("the server gives no parts of files")
            content = answer.read(count)
        if len(content) != count:
            raise OSError(f"cut off after {len(content):,} of {count:,} bytes")
        return content, int(said[2])


def opened(address: str) -> io.BufferedReader:
    """A file at an HTTP address, to read and seek in; only what is read is fetched, in pieces of `PIECE`.

    Raises:
        OSError: there is none, or the server does not give parts of files. Reading may raise it too.
    """
    return io.BufferedReader(_Remote(address), PIECE)
