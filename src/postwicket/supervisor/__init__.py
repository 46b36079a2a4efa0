"""One process that opens the sockets and looks after the workers; `serve` is its entrance.

It is single-threaded, because it forks, and carries no mail itself.  `serve` is gathered here
against the habit of the house: it is all that the command line needs.
"""

from .run import serve
from .sockets import OpenListener

__all__ = ["OpenListener", "serve"]
