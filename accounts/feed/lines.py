"""A browser's line as the web process holds it, and a push as the bytes that stand on it: framed once for all lines.

uvicorn takes a text for each line, frames it anew and hands it through several coroutines: three quarters of what a push
to one of a thousand pages cost. A line opened by `Line` offers to be written to straight (an ASGI extension); how it is
opened, kept and closed is uvicorn's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

# In the scope's "extensions": {"write": a function that takes a whole frame and returns whether it has left}.
EXTENSION = "halyard.frames"

Write = Callable[[bytes], bool]

# What of uvicorn's line is asked before a frame is written. Another release may have other names: then nothing is offered,
# and where a name goes later, each push is sent as uvicorn sends any text.
_ASKED = ("handshake_complete", "close_sent", "disconnected", "conn", "writable", "transport")
_WHOLE_TEXT = 0x81  # the first byte of a frame (RFC 6455): a text that is not continued


def frame(text: str) -> bytes:
    """A text as one frame of a server, which masks and packs nothing."""
    body = text.encode()
    if len(body) < 126:
        return bytes((_WHOLE_TEXT, len(body))) + body
    if len(body) < 1 << 16:
        return bytes((_WHOLE_TEXT, 126)) + len(body).to_bytes(2, "big") + body
    return bytes((_WHOLE_TEXT, 127)) + len(body).to_bytes(8, "big") + body


def writer_of(scope: Mapping[str, Any]) -> Write | None:
    """What writes frames to the line of a scope; None where its server offers nothing of the kind."""
    offered = (scope.get("extensions") or {}).get(EXTENSION)
    return None if offered is None else offered["write"]


class Line(WebSocketsSansIOProtocol):
    """uvicorn's line, which also takes frames that are made already."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        # The application begins later, as a task. A handshake that was refused has no scope.
        scope = getattr(self, "scope", None)
        if scope is not None and all(hasattr(self, name) for name in _ASKED):
            scope["extensions"][EXTENSION] = {"write": self.write_frame}

    def write_frame(self, made: bytes) -> bool:
        """Write a frame at once, behind all that was sent. False where it has to be sent in the usual way: the line is not
        open or is being closed, its client does not read, or what it is sent is packed."""
        try:
            return self._is_free() and self._write(made)
        except AttributeError:
            # Nothing has left: uvicorn calls by another name what is asked here, or what stands behind it.
            return False

    def _is_free(self) -> bool:
        """Whether a frame may stand behind what was sent."""
        return (
            self.handshake_complete
            and not self.close_sent
            and not self.disconnected
            and not self.conn.extensions
            and self.writable.is_set()
            and not self.transport.is_closing()
        )

    def _write(self, made: bytes) -> bool:
        self.transport.write(made)
        return True
