"""The policy host shows each domain its own certificate, good or bad."""

from __future__ import annotations

import http.client
import socket
import ssl

import pytest

from .laboratory import Laboratory
from .policies import PATH, Certificate, policy


def fetch(laboratory: Laboratory, domain: str) -> tuple[int, bytes]:
    """Fetch a policy as a careful client does."""
    host, place = f"mta-sts.{domain}", (laboratory.policies.address, laboratory.policies.port)
    context = ssl.create_default_context(cafile=laboratory.authority.ca)
    with (
        socket.create_connection(place, 10) as raw,
        context.wrap_socket(raw, server_hostname=host) as layer,
    ):
        layer.sendall(f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        response = http.client.HTTPResponse(layer)
        response.begin()
        return response.status, response.read()


def test_a_policy_is_where_it_belongs(laboratory: Laboratory) -> None:
    domain = "page.lab.example"
    text = policy("enforce", "mx.page.lab.example")
    laboratory.publish(domain, text)
    assert fetch(laboratory, domain) == (200, text.encode())
    laboratory.publish(domain, "moved", status=301)
    assert fetch(laboratory, domain)[0] == 301
    assert laboratory.policies.asked(domain) == 2


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ("other-name", "Hostname mismatch"),
        ("ended", "certificate has expired"),
        ("unknown-authority", "unable to get local issuer certificate"),
    ],
)
def test_a_bad_certificate_is_noticed(
    laboratory: Laboratory, certificate: Certificate, why: str
) -> None:
    domain = f"{certificate}.lab.example"
    laboratory.publish(domain, policy("enforce", "mx"), certificate=certificate)
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        fetch(laboratory, domain)


def test_a_domain_without_a_policy_gets_no_handshake(laboratory: Laboratory) -> None:
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        fetch(laboratory, "unknown.lab.example")
