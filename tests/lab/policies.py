"""The HTTPS host on which MTA-STS policies lie (RFC 8461, section 3.3).

    host.publish("sts.lab.example", policy("enforce", "mx.sts.lab.example"))

One address serves every domain, each with a certificate of its own, chosen by the name that the
client asks for (SNI), as a hosting company does.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.e2e.authority import Pair, TestAuthority
from tests.e2e.server import PATIENCE

PATH: Final = "/.well-known/mta-sts.txt"
Certificate = Literal["good", "other-name", "ended", "unknown-authority"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is answered for a domain, and the certificate with which."""

    content: bytes
    certificate: Certificate = "good"
    status: int = 200
    kind: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()
    after: float = 0.0  # seconds of silence before the answer


@dataclass(slots=True)
class _Site:
    page: Page
    context: ssl.SSLContext
    asked: int = 0


@dataclass(slots=True)
class PolicyHost:
    """The host, on `address` and `port` until it is stopped."""

    address: str
    port: int
    authority: TestAuthority
    stranger: TestAuthority  # nobody trusts it
    _sites: dict[str, _Site] = field(default_factory=dict)
    _server: http.server.ThreadingHTTPServer | None = None
    _made: int = 0

    def start(self) -> None:
        """Serve from now on."""
        server = _Server((self.address, self.port), _handler(self._sites))
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.sni_callback = self._choose
        server.daemon_threads = True
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def publish(self, domain: str, content: str, **how: Any) -> None:
        """Put a policy, or whatever it is, where a domain's policy belongs; see `Page`."""
        page = Page(content=content.encode(), **how)
        host = f"mta-sts.{domain}"
        before = self._sites.get(host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = self._pair(host, page.certificate)
        context.load_cert_chain(pair.certificate, pair.key)
        self._sites[host] = _Site(page, context, before.asked if before else 0)

    def withdraw(self, domain: str) -> None:
        """Know nothing of a domain any more: its handshakes fail."""
        self._sites.pop(f"mta-sts.{domain}", None)

    def asked(self, domain: str) -> int:
        """Return how often somebody asked for the policy of a domain that is published."""
        return self._sites[f"mta-sts.{domain}"].asked

    def _pair(self, host: str, certificate: Certificate) -> Pair:
        self._made += 1
        name = f"policy-{self._made}"
        signer = self.stranger if certificate == "unknown-authority" else self.authority
        named = "other.example" if certificate == "other-name" else host
        return signer.pair(name, named, ended=certificate == "ended")

    def _choose(
        self, layer: ssl.SSLObject, host: str | None, _context: ssl.SSLContext
    ) -> int | None:
        site = self._sites.get(host or "")
        if site is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        layer.context = site.context
        return None


def policy(mode: str, *exchangers: str, max_age: int = 86_400) -> str:
    """Return the text of a policy."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {each}" for each in exchangers)]
    return "".join(f"{line}\r\n" for line in (*lines, f"max_age: {max_age}"))


class _Server(http.server.ThreadingHTTPServer):
    """Does the handshake where it holds nobody up: in the connection's own thread."""

    context: ssl.SSLContext

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        request.settimeout(PATIENCE)
        try:
            layer = self.context.wrap_socket(request, server_side=True)
        except OSError:
            self.shutdown_request(request)
            return
        super().process_request_thread(layer, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what is tested."""


def _handler(sites: dict[str, _Site]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers for one request."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site = sites.get((self.headers.get("Host") or "").partition(":")[0])
            if site is None or self.path != PATH:
                self.send_error(404)
                return
            site.asked += 1
            page = site.page
            time.sleep(page.after)
            with contextlib.suppress(OSError):
                self.send_response(page.status)
                self.send_header("Content-Type", page.kind)
                self.send_header("Content-Length", str(len(page.content)))
                for name, value in page.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(page.content)

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing on the test's standard error."""

    return Handler


def may_listen(address: str, port: int) -> bool:
    """Say whether this process may listen there: below 1024 only root may."""
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.bind((address, port))
        return True
    return False
