"""A Postfix of its own below one folder; /etc/postfix and the system's queue are never touched.

Postfix's parts run under accounts of their own, so it starts as root only.
"""

from __future__ import annotations

import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.needs import need, need_root

from .program import Program, greets

PROGRAMS: Final = Path("/usr/lib/postfix/sbin")

_ON_TOP: Final = re.compile(rb"(?s)(?:[^ \t\r\n].*?\r\n(?=[^ \t]))*?Received: .*?\r\n(?![ \t])")
_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {programs}
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
mydestination =
mynetworks =
inet_protocols = ipv4
alias_maps =
alias_database =
smtpd_peername_lookup = no
# Even from this machine, mail is taken as it comes.
local_header_rewrite_clients =
disable_dns_lookups = yes
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""
_MASTER: Final = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def open_folder(name: str) -> Iterator[Path]:
    """Yield a temporary folder into which other accounts may look, as Postfix's parts have to.

    It is none of pytest's, which closes the folder above all of its own to everybody else again
    whenever it starts anywhere on the machine.
    """
    with tempfile.TemporaryDirectory(prefix=f"{name}.", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


class Postfix:
    """One instance, whose mailboxes are Maildirs below `folder`/mail.

    Every account of the machine has to be able to walk there (`open_folder`).  `greeting` is the
    address and port on which it says 220.
    """

    def __init__(self, folder: Path, *, greeting: tuple[str, int]) -> None:
        need_root("Postfix starts as root only")
        self._check = [need("postfix"), "-c", str(folder / "etc"), "check"]
        self.folder = folder
        self._greeting = greeting
        self._program = Program([PROGRAMS / "master", "-c", folder / "etc", "-d"], folder / "log")
        for name in ("etc", "spool", "data", "mail"):
            (folder / name).mkdir(mode=0o755, parents=True)
        shutil.chown(folder / "data", "postfix")
        shutil.chown(folder / "mail", "postfix")

    def configure(self, main: str, doors: str) -> None:
        """Write the configuration: what all have, and what is this one's own."""
        owner = pwd.getpwnam("postfix")
        common = _MAIN.format(
            folder=self.folder, programs=PROGRAMS, uid=owner.pw_uid, gid=owner.pw_gid
        )
        (self.folder / "etc/main.cf").write_text(common + main)
        (self.folder / "etc/master.cf").write_text(doors + _MASTER)

    def start(self) -> None:
        """Start it and wait for its greeting."""
        with (self.folder / "log").open("ab") as log:  # `check` makes the queue's folders
            subprocess.run(self._check, check=False, stdout=log, stderr=log)
        self._program.start(lambda: greets(*self._greeting))

    def stop(self) -> None:
        """End it with all its processes."""
        self._program.stop()

    @property
    def pid(self) -> int:
        """Its master, while it runs."""
        return self._program.pid

    def log(self) -> str:
        """Return what Postfix wrote down."""
        file = self.folder / "maillog"
        return file.read_text() if file.exists() else ""

    def maildir(self, name: str) -> list[bytes]:
        """Return what lies in a Maildir as Postfix wrote it, but for its line ends."""
        files = sorted((self.folder / "mail" / name / "new").glob("*"))
        return [file.read_bytes().replace(b"\n", b"\r\n") for file in files]


def without_its_fields(content: bytes) -> bytes:
    """Take off what Postfix put on top (Return-Path to Received): what came over the wire."""
    found = _ON_TOP.match(content)
    assert found is not None, content[:1000]
    return content[found.end() :]
