"""postwicket-sendmail: what PHP, cron, git and mail programs call as /usr/sbin/sendmail.

It hands mail in over SMTP, as any client does, and keeps it in a folder while the server is
away.  It stands alone: the standard library only, nothing of the rest of the package, because
it is started once for every message and must be quick.
"""

from __future__ import annotations


def main() -> int:
    """Run the command; return its exit status (0, or a code of sysexits.h)."""
    from .command import main as run  # noqa: PLC0415 - importing the package stays free

    return run()
