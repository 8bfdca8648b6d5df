"""Server-sent events: bytes in, the data of whole events out.

The protocol is https://html.spec.whatwg.org/multipage/server-sent-events.html. This module does no I/O, and it
knows nothing of chat; event names, ids and retry times, which chat does not use, are left out.
"""

from __future__ import annotations


class EventDecoder:
    """Cuts a byte stream into events, wherever the network happened to cut it."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, received: bytes) -> list[bytes]:
        """Takes the next bytes.

        Args:
            received: as they came from the network.

        Returns:
            The data of each event that these bytes complete.
        """
        *lines, self._rest = self._with_newlines(self._rest + received).split(b"\n")
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
        return events

    @staticmethod
    def _with_newlines(text: bytes) -> bytes:
        if b"\r" not in text:
            return text
        # A CR at the very end may be the first half of a CRLF, so it waits for the next bytes.
        held = text.endswith(b"\r")
        text = (text[:-1] if held else text).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return text + b"\r" if held else text
