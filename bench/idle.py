"""Hold many idle, signed-in TLS connections, as a room full of mail clients does.

`python -m bench.idle` reads {"load": ..., "count": N, "source": "127.0.0.9"} from standard input
(one line), opens the connections one after the other, prints {"open": N} and waits for the end
of its input; then it prints {"alive": N}: those that the server has not closed meanwhile.
"""

from __future__ import annotations

import json
import select
import sys

from bench.generator import Connection, Load, UnexpectedReply, client_context


def main() -> None:
    """Open, hold, count."""
    asked = json.loads(sys.stdin.readline())
    asked["load"]["recipients"] = tuple(asked["load"]["recipients"])
    load = Load(**asked["load"])
    context = client_context()
    held: list[Connection] = []
    error = ""
    try:
        held.extend(
            Connection(load, context, source=asked["source"]) for _ in range(asked["count"])
        )
    except (OSError, UnexpectedReply) as problem:
        error = str(problem)
    _say({"open": len(held), "error": error})
    sys.stdin.read()
    spoken = select.poll()
    for connection in held:
        spoken.register(connection.socket, select.POLLIN | select.POLLHUP)
    _say({"alive": len(held) - len(spoken.poll(0))})


def _say(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
