"""What can be wrong with a published key."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from postwicket.trust.dkim_record import fault

from .dkim_keys import ED25519, RSA, pair

SHORT = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALnFWzPYOCNNsqwAJZPIvICmxaNFnEeIFLIfxVxzu7oOH"
    "x7wMCFz0sRdgZHYTi0Sh1PmCPTFdmMLXCqTGOWzFDkCAwEAAQ=="
)


def public(bits: int) -> str:
    key = generate_private_key(65_537, bits).public_key()
    return base64.b64encode(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


def test_the_right_records_are_right() -> None:
    assert fault(RSA.kept.record, RSA.kept) == ""
    assert fault(ED25519.kept.record, ED25519.kept) == ""
    spaced = (
        f"v=DKIM1; h=sha1:sha256; s=email;\tp={RSA.kept.public[:100]} {RSA.kept.public[100:]};"
    )
    assert fault(spaced, RSA.kept) == ""
    assert fault(f"p={RSA.kept.public}", RSA.kept) == ""


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("hello", "no p="),
        ("v=DKIM1; p=", "revokes"),
        (f"v=DKIM2; p={RSA.kept.public}", "version"),
        (f"v=DKIM1; k=ed25519; p={RSA.kept.public}", "type is ed25519, not rsa"),
        (f"v=DKIM1; h=sha1; p={RSA.kept.public}", "sha256"),
        (f"v=DKIM1; s=tlsrpt; p={RSA.kept.public}", "does not allow mail"),
        (f"v=DKIM1; t=s:y; p={RSA.kept.public}", "unsigned"),
        (f"v=DKIM1; p={RSA.kept.public[:255]}", "cut off"),
        (f"v=DKIM1; p={RSA.kept.public[:200]}", "cut off at 255"),
        ("v=DKIM1; p=!!", "base64"),
        (f"v=DKIM1; p={public(2048)}", "another key"),
        (f"v=DKIM1; p={SHORT}", "512 bits"),
    ],
)
def test_what_is_wrong_is_said(record: str, words: str) -> None:
    assert words in fault(record, RSA.kept)


def test_an_ed25519_record_is_looked_at_too() -> None:
    assert "no Ed25519 key" in fault("v=DKIM1; k=ed25519; p=AAAA", ED25519.kept)
    other = pair("ed25519-sha256").kept
    assert fault(other.record, ED25519.kept) == "it is another key than ours"


@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    assert fault(text, RSA.kept)
    assert fault(f"v=DKIM1; k=ed25519; p={text}", ED25519.kept)
