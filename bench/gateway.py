"""The gateway under measurement: the whole application, with its own lanes, under its own server.

`python -m bench.gateway` prints its port once it listens, and ends at SIGTERM as the product does.
"""

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from app import log
from app.config_file import ProviderTable
from app.db.migrate import upgrade
from app.main import create_app
from app.serve import GatewayServer, listen, loop_factory
from app.settings import Settings
from app.vault import generate_key
from bench.lag import LagProbe
from bench.process import pin
from bench.target import TOKEN, USER

_RUNS: Final = 100_000
"""More than are ever asked for: where no cap is given, refusing is not what is measured."""


def settings_for(
    database_url: str, upstream: str, *, lane: Literal["native", "litellm"] = "native", max_runs: int = _RUNS
) -> Settings:
    """Give a production-like configuration whose one provider, everybody's default, is the scripted upstream.

    All load is one user's, so only the cap on all runs counts.
    """
    table = ProviderTable(api_base=f"{upstream}/v1", models=["bench-1"], needs_api_key=False, label="Bench")
    return Settings(
        port=0,
        database_url=database_url,
        credential_keys=SecretStr(generate_key()),
        auth_methods=frozenset({"static_tokens"}),
        auth_tokens=SecretStr(f"{USER}:{TOKEN}"),
        voyage_ai_provider="bench",
        voyage_ai_model="bench-1",
        provider_tables={"bench": table},
        log_level="WARNING",
        lane=lane,
        max_runs=max_runs,
        max_runs_per_user=_RUNS,
        shutdown_grace_seconds=1.0,
    )


async def _serve(settings: Settings, probe: LagProbe) -> None:
    with contextlib.closing(listen(settings)) as listener:
        server = GatewayServer(create_app(settings), settings, on_ready=lambda: _say(listener.getsockname()[1]))
        measuring = asyncio.create_task(probe.measure(), name="lag probe")
        try:
            await server.serve(sockets=[listener])
        finally:
            measuring.cancel()


def _say(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def main() -> None:
    """Migrate the database, serve until SIGTERM, then write how late the loop was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--upstream", required=True, help="http://127.0.0.1:PORT")
    parser.add_argument("--lag", type=Path, required=True, help="the file to write")
    parser.add_argument("--lane", choices=("native", "litellm"), required=True)
    parser.add_argument("--max-runs", type=int, default=_RUNS)
    parser.add_argument("--cpu", type=int, required=True)
    options = parser.parse_args()
    pin(options.cpu)
    settings = settings_for(options.database, options.upstream, lane=options.lane, max_runs=options.max_runs)
    log.configure(settings.log_level, settings.log_format)
    upgrade(settings.database_url)
    probe = LagProbe()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(settings, probe))
    probe.write(options.lag)


if __name__ == "__main__":
    main()
