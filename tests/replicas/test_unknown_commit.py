"""A message whose commit was done and never heard of: nobody has its run in hand, and it does not stay so."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy.engine import make_url

from tests.replicas.history import check_history
from tests.replicas.losing import LosingProxy
from tests.replicas.place import Record, gateway, noting
from tests.replicas.play import Play
from tests.replicas.reading import Ended
from tests.replicas.recorder import Recorder

LIMIT_S: Final = 30.0
MARK: Final = "0123456789ab"


@pytest.mark.prove
@pytest.mark.timeout(180)
async def test_a_run_that_nobody_knows_of_is_ended(postgres_url: str, tmp_path: Path, record_property: Record) -> None:
    record, parsed = noting(record_property), make_url(postgres_url)
    sockets, database = Path(str(parsed.query["host"])), str(parsed.database)
    # The path of a socket has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="gateway-proxy-") as folder:
        async with LosingProxy(Path(folder), sockets, database) as proxy, gateway(proxy.url, tmp_path) as place:
            recorder = await Recorder.create(place.http)
            await recorder.send(place.http, Play())
            proxy.lose_commit_of(MARK)
            message = f"{Play()} #{MARK}"
            refused = await recorder.send(place.http, message, key="once")
            assert proxy.lost.is_set()
            refused_at = time.monotonic()
            busy = await recorder.send(place.http, Play())
            again = await recorder.send(place.http, message, key="once")
            seconds = time.monotonic() - refused_at
            async with asyncio.timeout(LIMIT_S):
                while not (await recorder.send(place.http, Play())).over:  # noqa: ASYNC110 - only asking tells
                    await asyncio.sleep(0.2)
            usable = time.monotonic() - refused_at
            figures = await check_history([recorder], place.http)
    record("refused", f"{refused.status} {refused.refusal.get('error_category')}")
    record("meanwhile", f"{busy.status} {busy.refusal.get('error_category')}")
    record("ended_after_s", round(seconds, 1))
    record("usable_after_s", round(usable, 1))
    record("history", figures)
    assert (refused.status, refused.refusal["error_category"]) == (503, "storage_unavailable")
    assert (busy.status, busy.refusal["error_category"]) == (409, "conversation_busy")
    # With its key the same message finds the run, and reads how it ends.
    assert (again.end, again.frames[-1].type) == (Ended.DONE, "run.interrupted")
    assert usable < LIMIT_S
    assert figures.ends["run.interrupted"] == 1
    assert len(place.upstream.calls_for(message)) == 0
    assert place.replica.errors() == []
