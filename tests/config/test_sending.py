"""Settings about delivery to the world."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from postwicket.config import ConfigError, Destination, ReturnSettings, load
from postwicket.config.sending import DeliverySettings


def test_name_servers_are_one_or_several_and_have_a_port() -> None:
    assert DeliverySettings.model_validate({"resolver": "127.0.0.1:5353"}).resolver == (
        "127.0.0.1:5353",
    )
    both = DeliverySettings.model_validate({"resolver": ["127.0.0.1", "::1"]}).resolver
    assert both == ("127.0.0.1:53", "[::1]:53")
    with pytest.raises(ValidationError, match="not an address and a port"):
        DeliverySettings.model_validate({"resolver": "dns.example.org"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:DB8::7]", "2001:db8::7"),
        (["192.0.2.7", "2001:db8::7"], "192.0.2.7 2001:db8::7"),
        ("192.0.2.7, 2001:db8::7", "192.0.2.7 2001:db8::7"),
    ],
)
def test_mail_leaves_from_one_address_of_each_family(given: object, expected: str) -> None:
    assert DeliverySettings.model_validate({"source_address": given}).source_address == expected


@pytest.mark.parametrize("given", ["mail.example", ["192.0.2.7", "192.0.2.8"], [], "", [7.5]])
def test_and_from_nothing_else(given: object) -> None:
    with pytest.raises(ValidationError, match="write it like"):
        DeliverySettings.model_validate({"source_address": given})


def test_the_entries_of_a_host_have_one_port(tmp_path: Path) -> None:
    file = tmp_path / "postwicket.toml"
    entry = '[[host]]\nname = "mx.example"\naddress = "{}"\n'
    top = 'hostname = "mail.example.org"\n'
    file.write_text(top + entry.format("127.0.0.1:2525") + entry.format("[::1]:2525"))
    assert len(load(file, {}).host) == 2
    file.write_text(top + entry.format("127.0.0.1:2525") + entry.format("127.0.0.2"))
    with pytest.raises(ConfigError, match="differ in their ports"):
        load(file, {})


def test_a_rule_that_demands_dane_needs_dnssec(tmp_path: Path) -> None:
    file = tmp_path / "postwicket.toml"
    rule = '[[destination]]\ndomains = ["example.com"]\ntls = "dane"\n'
    top = 'hostname = "mail.example.org"\n'
    for delivery in ("", "[delivery]\ndnssec = true\ndane = false\n"):
        file.write_text(top + rule + delivery)
        with pytest.raises(ConfigError, match="no mail would ever go"):
            load(file, {})
    file.write_text(top + rule + "[delivery]\ndnssec = true\n")
    assert load(file, {}).destination[0].tls == "dane"


def test_the_environment_can_name_them_too() -> None:
    environment = {
        "POSTWICKET_HOSTNAME": "mail.example.org",
        "POSTWICKET_DELIVERY__RESOLVER": "127.0.0.1,127.0.0.2:5353",
        "POSTWICKET_DELIVERY__ALLOW_NETWORKS": "127.0.0.0/8",
    }
    delivery = load(None, environment).delivery
    assert delivery.resolver == ("127.0.0.1:53", "127.0.0.2:5353")
    assert [str(network) for network in delivery.allow_networks] == ["127.0.0.0/8"]


def test_a_destination_names_what_it_is_about() -> None:
    assert Destination.model_validate({"domains": ["Example.COM"]}).domains == ("example.com",)
    with pytest.raises(ValidationError, match="needs `domains` or `exchangers`"):
        Destination(tls="verify")


def test_mail_does_not_outlive_its_signature() -> None:
    environment = {"POSTWICKET_HOSTNAME": "a.example", "POSTWICKET_QUEUE__EXPIRE": "7d"}
    with pytest.raises(Exception, match="could outlive its signature"):
        load(None, environment)


def test_one_click_needs_https() -> None:
    with pytest.raises(ValidationError, match="is no https address"):
        ReturnSettings(unsubscribe_url="http://mail.example.org")
