"""What is to be published, and as which lines of a zone file."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import dns.rdatatype
import dns.zone

from postwicket.trust.keys import Domain
from postwicket.trust.mta_sts import Mode, read_policy, read_record
from postwicket.trust.publishing import Situation, records, strings, sts_policy, zone_file
from tests.needs import need

from .dkim_keys import DAY, ED25519, RSA

DOMAIN = Domain(name="example.org", token="0123abcd", created=DAY)
HERE = Situation(
    domain=DOMAIN,
    keys=(RSA.kept, ED25519.kept),
    hostname="mail.example.org",
    addresses=("192.0.2.25", "2001:db8::25"),
    returns="returns.example.org",
    exchangers=("mx1.example.org", "mx2.example.net"),
    now=DAY + 1,
)


def find(name: str, kind: str, here: Situation = HERE) -> list[str]:
    return [one.value for one in records(here) if (one.name, one.kind) == (name, kind)]


def test_everything_that_mail_needs_is_there() -> None:
    assert find("_postwicket-challenge.example.org", "TXT") == ["postwicket=0123abcd"]
    assert find("pw20261124r._domainkey.example.org", "TXT") == [RSA.kept.record]
    assert find("pw20261124e._domainkey.example.org", "TXT") == [ED25519.kept.record]
    assert find("example.org", "TXT") == ["v=spf1 a:mail.example.org ~all"]
    assert find("_dmarc.example.org", "TXT") == [
        "v=DMARC1; p=none; rua=mailto:dmarc@returns.example.org"
    ]
    assert find("_smtp._tls.example.org", "TXT") == [
        "v=TLSRPTv1; rua=mailto:tlsrpt@returns.example.org"
    ]
    assert read_record(find("_mta-sts.example.org", "TXT"))
    assert find("returns.example.org", "MX") == ["10 mail.example.org."]
    assert find("returns.example.org", "TXT") == ["v=spf1 a:mail.example.org -all"]
    assert find("mail.example.org", "A") == ["192.0.2.25"]
    assert find("mail.example.org", "AAAA") == ["2001:db8::25"]
    assert find("25.2.0.192.in-addr.arpa", "PTR") == ["mail.example.org."]


def test_reports_to_another_organization_need_its_consent() -> None:
    here = replace(HERE, returns="returns.example.com")
    assert find("example.org._report._dmarc.returns.example.com", "TXT", here) == ["v=DMARC1"]
    assert not find("example.org._report._dmarc.returns.example.org", "TXT")


def test_a_key_whose_time_is_over_is_published_no_more() -> None:
    retired = replace(RSA.kept, active_until=DAY, remove_after=DAY + 10)
    name = "pw20261124r._domainkey.example.org"
    assert find(name, "TXT", replace(HERE, keys=(retired,)))
    assert not find(name, "TXT", replace(HERE, keys=(retired,), now=DAY + 11))


def test_the_id_of_the_policy_changes_with_the_policy() -> None:
    policy = read_policy(sts_policy(HERE.exchangers).encode())
    assert (policy.mode, policy.mx) == (Mode.TESTING, ("mx1.example.org", "mx2.example.net"))
    other = replace(HERE, exchangers=("mx1.example.org",))
    assert find("_mta-sts.example.org", "TXT") != find("_mta-sts.example.org", "TXT", other)
    assert not find("_mta-sts.example.org", "TXT", replace(HERE, exchangers=()))


def test_a_zone_file_says_the_same_as_the_table() -> None:
    zone = dns.zone.from_text(
        zone_file(HERE), origin="example.org.", relativize=False, check_origin=False
    )
    inside = [one for one in records(HERE) if one.name.endswith("example.org")]
    assert len(inside) == len(records(HERE)) - 2  # the two PTR records
    for one in inside:
        found = zone.get_rdataset(f"{one.name}.", one.kind)
        assert found is not None, one
        if one.kind == "TXT":
            texts = [b"".join(rdata.strings).decode() for rdata in found]
            assert one.value in texts
            assert all(len(piece) <= 255 for rdata in found for piece in rdata.strings)
        else:
            assert one.value in [rdata.to_text() for rdata in found]
    assert f"; for another zone: {'25.2.0.192.in-addr.arpa.'}" in zone_file(HERE)


def test_a_name_server_takes_the_zone_file(tmp_path: Path) -> None:
    program = need("kzonecheck", "knot-dnssecutils")
    file = tmp_path / "example.org.zone"
    file.write_text(
        zone_file(HERE)
        + "\nexample.org. 3600 IN SOA ns1.example.org. h.example.org. 1 3600 600 86400 300"
        "\nexample.org. 3600 IN NS ns1.example.org.\nns1.example.org. 3600 IN A 192.0.2.53\n"
    )
    done = subprocess.run(
        [program, "-o", "example.org", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_long_text_is_cut_into_strings() -> None:
    assert [len(piece) for piece in strings("x" * 600)] == [255, 255, 90]
    assert strings("") == [""]
    assert dns.rdatatype.from_text("TXT") == dns.rdatatype.TXT
