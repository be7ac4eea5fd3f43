"""Runs the gateway in a process of its own and measures its start: `start_probe DATABASE_URL [NAME=VALUE]...`.

Prints the base URL, serves until its standard input ends, then prints `Cost` as JSON.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from app.main import create_app
from app.settings import load_settings
from app.vault import generate_key
from tests.server import running

BEAT_S = 0.005
MEGABYTE = 1_000_000


async def main(database_url: str, *settings: str) -> None:
    """Serve; nothing but the gateway and the beat runs in this loop."""
    environ = {
        "GATEWAY_DATABASE_URL": database_url,
        "GATEWAY_CREDENTIAL_KEYS": generate_key(),
        "GATEWAY_AUTH_METHODS": "static_tokens",
        "GATEWAY_AUTH_TOKENS": f"probe:{'t' * 31}1",
        **dict(setting.split("=", 1) for setting in settings),
    }
    longest_s = 0.0

    async def beat() -> None:
        nonlocal longest_s
        while True:
            before = time.perf_counter()
            await asyncio.sleep(BEAT_S)
            longest_s = max(longest_s, time.perf_counter() - before - BEAT_S)

    async with running(create_app(load_settings(environ))) as base_url:
        beating = asyncio.create_task(beat())
        print(base_url, flush=True)  # noqa: T201 - the answer to the one who started it
        await asyncio.to_thread(sys.stdin.read)
        beating.cancel()
        pages = int((await asyncio.to_thread(Path("/proc/self/statm").read_text)).split()[1])
        cost = {
            "lag_ms": longest_s * 1000,
            "cpu_s": time.process_time(),
            "memory_mb": pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE,
            "litellm": "litellm" in sys.modules,
        }
    print(json.dumps(cost))  # noqa: T201 - see above


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
