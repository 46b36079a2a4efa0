"""The directions of a configuration: static hosts, name servers, and where nobody may go."""

from __future__ import annotations

import asyncio
import time

from postwicket.config.settings import Settings
from postwicket.delivery.destination import Destination
from postwicket.delivery.guiding import guide_for
from postwicket.smtp.client.answer import Answer, Stage

from ..trust.name_server import name_server, zone


def settings(**more: object) -> Settings:
    return Settings.model_validate({"hostname": "us.example", **more})


def test_static_hosts_are_found_without_dns_where_their_network_is_allowed() -> None:
    host = ({"name": "example.com", "address": "127.0.0.1:2525"},)
    allowed = {"allow_networks": ["127.0.0.0/8"]}
    guide = guide_for(settings(host=host, delivery=allowed), time.time)
    found = asyncio.run(guide.find("example.com"))
    assert isinstance(found, Destination)
    assert found.exchangers[0].addresses[0].port == 2525
    assert found.implicit
    forbidden = guide_for(settings(host=host), time.time)
    answer = asyncio.run(forbidden.find("example.com"))
    assert isinstance(answer, Answer)
    assert "[route.forbidden-address]" in str(answer)
    assert "loopback" in forbidden.reach.objection("127.0.0.1", 25)


def test_the_configured_name_server_is_asked_and_its_exchanger_found_in_host_entries() -> None:
    async def run() -> None:
        async with name_server(zone("example.com. 300 IN MX 10 mx.example.com.")) as server:
            guide = guide_for(
                settings(
                    host=({"name": "mx.example.com", "address": "127.0.0.1:2525"},),
                    delivery={"resolver": str(server.place), "allow_networks": ["127.0.0.0/8"]},
                ),
                time.time,
            )
            found = await guide.find("example.com")
            assert isinstance(found, Destination)
            (exchanger,) = found.exchangers
            assert (exchanger.name, exchanger.port) == ("mx.example.com", 2525)
            assert [kind for _, kind, _ in server.asked] == ["MX"]
            missing = await guide.find("nowhere.example")
            assert isinstance(missing, Answer)
            assert missing.stage is Stage.ROUTE
            assert "[dns.no-such-domain]" in str(missing)

    asyncio.run(run())


def test_this_server_is_never_a_destination() -> None:
    host = ({"name": "example.com", "address": "127.0.0.1:2587"},)
    allowed = {"allow_networks": ["127.0.0.0/8"]}
    guide = guide_for(
        settings(host=host, delivery=allowed), time.time, listening=[("127.0.0.1", 2587)]
    )
    assert "[route.loop]" in str(asyncio.run(guide.find("example.com")))
