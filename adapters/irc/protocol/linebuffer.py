"""Bytes as they arrive, cut into lines."""

from typing import Final

CAP: Final = 16384
"""Bytes of one line that are kept. Tags may take 8191 and the rest 512 (IRCv3 message-tags); soju and ergo allow
about as much, and a server may announce a longer LINELEN."""


class LineBuffer:
    """Takes bytes in any portions and gives whole lines. A line longer than the cap is passed over and counted."""

    def __init__(self, cap: int = CAP) -> None:
        self._cap = cap
        self._buffer = bytearray()
        self._searched = 0
        self._skipping = False
        self.overlong = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines completed by `data`, without line ends; empty lines are left out."""
        buffer = self._buffer
        buffer += data
        lines: list[bytes] = []
        start = 0
        while (end := buffer.find(b"\n", max(start, self._searched))) >= 0:
            if self._skipping:
                self._skipping = False
            elif end - start > self._cap:
                self.overlong += 1
            elif line := bytes(buffer[start:end]).rstrip(b"\r"):
                lines.append(line)
            start = end + 1
        del buffer[:start]
        if len(buffer) > self._cap or (self._skipping and buffer):
            self.overlong += not self._skipping
            self._skipping = True
            buffer.clear()
        self._searched = len(buffer)
        return lines
