"""Our signatures in the eyes of three other implementations: dkimpy, OpenDKIM, Mail::DKIM."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from pathlib import Path

import dkim  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.header import Header
from postwicket.trust.dkim import BodyHasher, sign_header
from tests.needs import missing, need

from .dkim_corpus import MESSAGES
from .dkim_keys import ED25519, RSA
from .name_server import name_server, zone

KEYS = (RSA, ED25519)
RECORDS = {f"{key.kept.name}.": key.kept.record for key in KEYS}

MAIL_DKIM = r"""
use strict; use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS::Resolver;
my $port = shift @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(
    nameservers => ['127.0.0.1'], port => $port, recurse => 1, udp_timeout => 5));
foreach my $file (@ARGV) {
    my $dkim = Mail::DKIM::Verifier->new();
    open(my $in, '<:raw', $file) or die $!;
    while (<$in>) { $dkim->PRINT($_); }
    $dkim->CLOSE;
    print "$file ", join(' ', map { $_->selector . '=' . $_->result } $dkim->signatures), "\n";
}
"""


def signed(header: bytes, body: bytes) -> bytes:
    hasher = BodyHasher()
    for start in range(0, len(body), 10_007):
        hasher.update(body[start : start + 10_007])
    now = time.time()
    fields = sign_header(
        Header.parse(header),
        hasher.digest(),
        [key.opened for key in KEYS],
        now=now,
        expires=now + 604_800,
    )
    return fields + header + b"\r\n" + body


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sign the corpus, and write each message to a file."""
    folder = tmp_path_factory.mktemp("corpus")
    found = {}
    for number, (name, (header, body)) in enumerate(MESSAGES.items()):
        found[name] = folder / f"{number:02}.eml"
        found[name].write_bytes(signed(header, body))
    return found


def believed(message: bytes, index: int) -> bool:
    """Ask dkimpy."""

    def look(name: bytes, timeout: int = 5) -> bytes | None:  # noqa: ARG001
        return RECORDS.get(name.decode(), "").encode() or None

    try:
        return bool(dkim.DKIM(message).verify(idx=index, dnsfunc=look))
    except dkim.DKIMException:
        return False


@pytest.mark.parametrize("name", MESSAGES)
def test_dkimpy_agrees(name: str, files: dict[str, Path]) -> None:
    message = files[name].read_bytes()
    assert believed(message, 0)
    assert believed(message, 1)
    # A second From above the first would be shown by many programs.
    assert not believed(b"From: eve@example.com\r\n" + message, 0)
    assert not believed(message + b"P.S.: buy\r\n", 1)


def test_opendkim_agrees(files: dict[str, Path], tmp_path: Path) -> None:
    program = need("opendkim")
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{key.kept.name} {key.kept.record}\n" for key in KEYS))
    config = tmp_path / "opendkim.conf"
    config.write_text(
        f"Mode v\nTestPublicKeys {keys}\nSyslog no\nSocket inet:0@127.0.0.1\n"
        # Its own limits, which are not about signatures.
        "MaximumHeaders 1000000\n"
    )
    for name, file in files.items():
        done = subprocess.run(
            [program, "-x", config, "-t", file, "-v", "-v"],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        results = re.findall(r"dkim=(\w+)[^;]*header\.s=(pw\w+)", said)
        assert sorted(results) == [("pass", "pw20261124e"), ("pass", "pw20261124r")], (name, said)


async def _ask_perl(perl: str, files: list[Path]) -> str:
    records = []
    for name, record in RECORDS.items():
        strings = " ".join(f'"{record[at : at + 255]}"' for at in range(0, len(record), 255))
        records.append(f"{name} 300 IN TXT {strings}")
    async with name_server(zone(*records)) as server:
        process = await asyncio.create_subprocess_exec(
            perl,
            "-e",
            MAIL_DKIM,
            str(server.place.port),
            *map(str, files),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0, err.decode()
        return out.decode()


def test_mail_dkim_agrees(files: dict[str, Path]) -> None:
    perl = need("perl")
    there = subprocess.run(
        [perl, "-MMail::DKIM::Verifier", "-e", "1"], capture_output=True, check=False
    )
    if there.returncode:
        missing("Mail::DKIM is missing; install the Debian package libmail-dkim-perl")
    names = {str(file): name for name, file in files.items()}
    said = asyncio.run(_ask_perl(perl, list(files.values())))
    results = dict(line.split(" ", 1) for line in said.splitlines())
    assert results.keys() == names.keys()
    wanted = "pw20261124r=pass pw20261124e=invalid"  # Debian's knows no Ed25519
    # A signature that another server has made before us comes after ours.
    bad = {names[file]: said for file, said in results.items() if not said.startswith(wanted)}
    assert bad == {}


NAMES = st.sampled_from([b"From", b"to", b"SUBJECT", b"Cc", b"Date", b"X-Odd", b"Content-Type"])
WORDS = st.sampled_from(
    [b"a", b" ", b"\t", b"  ", b"\r\n ", b"\r\n\t", b":", b";", b"\xc3\xa4", b"="]
)
VALUES = st.lists(WORDS, max_size=12).map(b"".join)
LINES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b".", b"\xe4"]), max_size=30)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), LINES.map(b"".join))
def test_dkimpy_agrees_about_what_nobody_thought_of(
    fields: list[tuple[bytes, bytes]], body: bytes
) -> None:
    odd = b"".join(name + b":" + value + b"\r\n" for name, value in fields)
    message = signed(b"From: ann@example.org\r\n" + odd, body + b"\r\n")
    assert believed(message, 0)
    assert believed(message, 1)
