"""A policy service for Postfix that asks strangers to come back (greylisting, RFC 6647).

Who it is about is client, sender and recipient together.  What it has not seen is deferred; after
`wait` seconds the same three are let in.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from typing import Final

_DEFER: Final = "DEFER_IF_PERMIT 4.7.1 Greylisted, please try again in {seconds} seconds"


class Greylist:
    """The service, on `port` of 127.0.0.1 until it is stopped; `met` is whom it has seen when."""

    def __init__(self, *, wait: float) -> None:
        self.met: dict[tuple[str, ...], float] = {}
        self._wait = wait
        greylist = self

        class Session(socketserver.StreamRequestHandler):
            """One client of the policy service: attributes in, an empty line, the action out."""

            def handle(self) -> None:
                asked: dict[str, str] = {}
                for line in self.rfile:
                    if line.strip():
                        name, _, value = line.decode().strip().partition("=")
                        asked[name] = value
                        continue
                    action = greylist.action(asked)
                    with contextlib.suppress(OSError):
                        self.wfile.write(f"action={action}\n\n".encode())
                    asked = {}

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def action(self, asked: dict[str, str]) -> str:
        """Return what Postfix is to do about a recipient."""
        who = tuple(asked.get(name, "") for name in ("client_address", "sender", "recipient"))
        since = time.monotonic() - self.met.setdefault(who, time.monotonic())
        if since >= self._wait:
            return "DUNNO"
        return _DEFER.format(seconds=max(1, round(self._wait - since)))

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
