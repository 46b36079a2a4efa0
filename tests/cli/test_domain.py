"""postwicket domain: from the first record to a rotation, against a name server of the test."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dns.message
import pytest

from postwicket.core.entry import Administered
from postwicket.storage.opening import open_store
from tests.trust.name_server import Said, name_server, zone

from .office import Office


class World:
    """A name server in a thread; `records` are lines of a zone file, changed while it runs."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.port = 0
        self._ready, self._over = threading.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(5)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()

        def answers(query: dns.message.QueryMessage, tcp: bool) -> list[Said]:
            return list(zone(*self.records)(query, tcp))

        async with name_server(answers) as server:
            self.port = server.place.port
            self._ready.set()
            await self._over.wait()

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5)

    def publish(self, document: dict[str, list[dict[str, str]]], *purposes: str) -> None:
        """Do what `domain dns --json` says."""
        for one in document["records"]:
            if purposes and one["purpose"] not in purposes:
                continue
            value = one["value"]
            if one["type"] == "TXT":
                value = " ".join(f'"{piece}"' for piece in one["strings"])
            self.records.append(f"{one['name']}. 300 IN {one['type']} {value}")


@pytest.fixture
def world(office: Office) -> Iterator[World]:
    found = World()
    office.config.write_text(
        'hostname = "mail.example.org"\ndata = "data"\n'
        f'[delivery]\nresolver = ["127.0.0.1:{found.port}"]\n'
        '[returns]\ndomain = "returns.example.org"\n'
    )
    found.records += [
        "mail.example.org. 300 IN A 192.0.2.25",
        "example.org. 300 IN MX 10 mx.example.org.",
    ]
    yield found
    found.close()


def states(office: Office) -> dict[str, str]:
    found = office.json("domain", "show", "example.org")
    return {key["selector"]: key["state"] for key in found["keys"]}


def test_from_the_first_record_to_a_signature(office: Office, world: World) -> None:
    made = office.json("domain", "add", "Example.ORG.")
    assert (made["name"], made["verified"]) == ("example.org", None)
    day = time.strftime("pw%Y%m%d", time.gmtime())
    assert states(office) == {f"{day}r": "prepared", f"{day}e": "prepared"}
    refused = office("domain", "verify", "example.org")
    assert refused.status == 1
    assert "is not proved to be yours" in refused.err
    assert "postwicket domain dns example.org" in refused.err

    world.publish(office.json("domain", "dns", "example.org"), "ownership")
    half = office("domain", "verify", "example.org")
    assert half.status == 1
    assert f"{day}r (prepared) is not published" in half.err
    assert set(states(office).values()) == {"prepared"}

    rest = ("ownership", "DKIM", "SPF", "DMARC", "TLS-RPT", "return path", "server", "PTR")
    world.publish(office.json("domain", "dns", "example.org"), *rest)
    done = office.json("domain", "verify", "example.org")
    assert done["verified"]
    assert states(office) == {f"{day}r": "active", f"{day}e": "active"}
    checked = office("domain", "check", "example.org")
    assert checked.status == 0, checked.out
    assert "wrong" not in checked.out
    world.publish(office.json("domain", "dns", "example.org"), "MTA-STS")
    alone = office("domain", "check", "example.org")  # a record, and no policy on the web
    assert alone.status == 1
    assert "wrong\tMTA-STS\tmta-sts.example.org has no address" in alone.out
    with closing(open_store(office.data)) as store:
        kinds = [one.data.get("what") for one in store.journal(kind=None, since=0, limit=9)]
        secret = [key.private_sealed for key in store.dkim_keys()]
    assert {"domain add", "domain verify"} <= set(kinds)
    assert Administered.kind == "administered"
    assert all(b"PRIVATE" not in one and one[:1] == b"\x01" for one in secret)
    assert (office.data / "secrets.key").stat().st_mode & 0o777 == 0o600


def test_a_check_names_what_is_wrong_and_its_cure(office: Office, world: World) -> None:
    office("domain", "add", "example.org")
    world.publish(office.json("domain", "dns", "example.org"), "ownership", "DKIM")
    office("domain", "verify", "example.org")
    said = office("domain", "check", "example.org", "--json")
    assert said.status == 1
    wrong = {one["topic"] for one in said.document["findings"] if one["level"] == "wrong"}
    assert {"SPF", "DMARC", "return path", "PTR"} <= wrong
    assert all(one["cure"] for one in said.document["findings"] if one["level"] != "ok")
    assert said.document["ok"] is False


def test_a_rotation_overlaps(office: Office, world: World) -> None:
    office("domain", "add", "example.org")
    assert office("domain", "verify", "example.org", "--unchecked").status == 0
    old = list(states(office))
    said = office("domain", "rotate", "example.org")
    assert said.status == 0
    new = [name for name in states(office) if name not in old]
    assert len(new) == 2
    assert all(f"publish {name}._domainkey.example.org" in said.err for name in new)
    assert {states(office)[name] for name in old} == {"active"}
    again = office("domain", "rotate", "example.org")
    assert again.status == 1
    assert "new keys already" in again.err
    assert office("domain", "verify", "example.org").status == 1
    assert {states(office)[name] for name in old} == {"active"}

    world.publish(office.json("domain", "dns", "example.org"), "DKIM")
    assert office("domain", "verify", "example.org").status == 0
    found = states(office)
    assert {found[name] for name in new} == {"active"}
    assert {found[name] for name in old} == {"retired"}
    published = [one["name"] for one in office.json("domain", "dns", "example.org")["records"]]
    assert all(f"{name}._domainkey.example.org" in published for name in [*old, *new])


def test_what_is_past_is_forgotten(
    office: Office,
    world: World,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office("domain", "add", "example.org")
    office("domain", "verify", "example.org", "--unchecked")
    old = set(states(office))
    office("domain", "rotate", "example.org")
    office("domain", "verify", "example.org", "--unchecked")
    later = time.time() + 40 * 86_400
    monkeypatch.setattr("postwicket.cli.domain.now", lambda: later)
    said = office("domain", "verify", "example.org", "--unchecked")
    assert said.err.count("its record may go") == 2
    assert not old & set(states(office))


def test_silence_of_dns_is_for_later(office: Office) -> None:
    office.config.write_text(
        'hostname = "mail.example.org"\ndata = "data"\n[delivery]\nresolver = "127.0.0.1:1"\n'
    )
    office("domain", "add", "example.org")
    said = office("domain", "verify", "example.org")
    assert said.status == 75
    assert "is not proved to be yours" in said.err


def test_lists_zone_and_removal(office: Office, world: World) -> None:  # noqa: ARG001
    assert "mail is not signed" in office("domain", "list").err
    office("domain", "add", "example.org")
    assert "example.org\tnot verified\t" in office("domain", "list").out
    assert [one["name"] for one in office.json("domain", "list")] == ["example.org"]
    assert "prepared" in office("domain", "show", "example.org").out
    zone_text = office("domain", "dns", "example.org", "--zone").out
    assert "$ORIGIN example.org." in zone_text
    table = office("domain", "dns", "example.org")
    assert "DKIM\tmust\t" in table.out
    assert "mx: mx.example.org" in table.err
    twice = office("domain", "add", "example.org")
    assert (twice.status, "already" in twice.err) == (1, True)
    assert office.json("domain", "remove", "example.org") == {"removed": "example.org"}
    for command in ("show", "dns", "check", "verify", "rotate", "remove"):
        assert office("domain", command, "example.org").status == 1


@pytest.mark.parametrize("name", ["", "org", "a..b", "[192.0.2.1]", "a b.example", "-"])
def test_what_is_no_domain(name: str, office: Office) -> None:
    assert office("domain", "add", "--", name).status == 2


def test_the_walk_through_of_the_handbook_works_as_it_is_printed(
    office: Office, world: World
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "domains.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = [line.split()[1:] for block in blocks for line in block.splitlines()]
    assert [words[1] for words in lines] == [
        *("add", "dns", "dns", "dns", "verify", "check", "rotate"),
    ]
    done = []
    for words in lines:
        if words[1] == "verify":
            purposes = ("ownership", "DKIM", "SPF", "DMARC", "return path", "server", "PTR")
            world.publish(office.json("domain", "dns", "example.org"), *purposes)
        said = office(*words)
        assert said.status == 0, said.out + said.err
        done.append(words[1])
    assert len(done) == len(lines)
