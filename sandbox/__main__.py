"""`python -m sandbox --port 8100`: run the estate until it is told to stop, or until whoever started it is gone."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading

from sandbox.estate import build_estate


async def run(first_port: int, leave_with_parent: bool) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    if leave_with_parent:
        threading.Thread(target=_when_parent_is_gone, args=(loop, over), daemon=True).start()
    estate = build_estate(first_port)
    await estate.start()
    sys.stdout.write(json.dumps(estate.addresses) + "\n")
    sys.stdout.flush()
    await over.wait()
    await estate.stop()


def _when_parent_is_gone(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    """Standard input is a pipe from the parent: it ends when the parent does, however it ends."""
    # Not through sys.stdin: a thread that waits in its buffer is a fatal error when the interpreter ends.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(over.set)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8100, help="first port; systems listen above it")
    parser.add_argument("--leave-with-parent", action="store_true", help="stop when standard input is closed")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.port, arguments.leave_with_parent))


if __name__ == "__main__":
    main()
