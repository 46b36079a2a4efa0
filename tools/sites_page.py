"""Write docs/sites.md from src/postwicket/delivery/sites.toml; `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from postwicket.delivery.sites import UNKNOWN, Known, table

PAGE: Final = Path(__file__).parents[1] / "docs" / "sites.md"
HEAD: Final = f"""\
# Sites

*This page is made from `src/postwicket/delivery/sites.toml` by `python tools/sites_page.py`; a
test compares it.*

A site is what shares a limit because the same machines are behind it: the domains of a large
provider, or else all domains with the same set of exchangers. The limits are upper bounds for
the whole server, shared among its workers. Sending begins with two connections, grows with
every success, and is halved when the site objects; a site that says it gets too many messages
is given half of what it took in the last minute, and a tenth more with each quiet minute.

A site that is not in the table gets at most {UNKNOWN.connections} connections with
{UNKNOWN.messages_per_connection} messages each.

```toml
[[destination]]
exchangers = ["*.google.com"]
connections = 30

[[destination]]
domains = ["partner.example"]
messages_per_minute = 600
```

`[[destination]]` in the configuration goes before the table; what it leaves out is as it would
be without it. The domains or exchangers that it names are then a site of their own. In the
table the first entry that all preferred exchangers match wins.

| site | exchangers | connections | messages per connection | messages per minute |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    rows = "".join(_row(known) for known in table())
    reasons = "".join(
        f"\n## {known.site.name}\n\n{known.why}\n\nSource: {known.source}.\n" for known in table()
    )
    return f"{HEAD}{rows}{reasons}"


def _row(known: Known) -> str:
    rule = known.site.rule
    globs = ", ".join(f"`{glob}`" for glob in known.exchangers)
    minute = f"{rule.per_minute:.0f}" if rule.per_minute else "no number"
    return (
        f"| {known.site.name} | {globs} | {rule.connections} | {rule.messages_per_connection} "
        f"| {minute} |\n"
    )


def main() -> int:
    """Write, or compare."""
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") == page():
            return 0
        print("docs/sites.md is stale: run python tools/sites_page.py")
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
