"""What becomes of the lane when litellm cannot be loaded."""

import asyncio
import errno
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from app.providers import litellm_setup
from app.providers.lanes import Lanes
from app.providers.litellm_lane import LitellmLane, LoadState
from app.providers.native_lane import NativeLane
from app.providers.provider import Deadlines, Lane, Wire
from app.providers.transport import Transport
from tests.providers.calls import call, request_to, route_to
from tests.upstream import Answer, Upstream

REPOSITORY = Path(__file__).parents[2]
FULL = OSError(errno.EMFILE, "Too many open files")
FIRST_FAILS = """
import asyncio, errno, importlib.machinery, sys
from app.providers.litellm_lane import LitellmLane
from app.providers.provider import Wire
from app.providers.transport import Transport
from tests.providers.calls import call, request_to, route_to

get_code, failed = importlib.machinery.SourceFileLoader.get_code, []

def short_of_files(self, name):
    if name == sys.argv[2] and not failed:
        failed.append(name)
        raise OSError(errno.EMFILE, "Too many open files")
    return get_code(self, name)

async def main():
    importlib.machinery.SourceFileLoader.get_code = short_of_files
    async with Transport() as transport:
        lane = LitellmLane(transport, sleep=lambda _: asyncio.sleep(0))
        await lane.load()
        for wire in Wire:
            outcome = await call(lane, request_to(route_to(sys.argv[1], wire)))
            print(len(failed), lane.state, wire, outcome.text, outcome.code)
        await lane.close()

asyncio.run(main())
"""


class Machine:
    """Loads fail with `failures`, one after the other, and then work; what happens in the pauses is noted."""

    def __init__(self, transport: Transport, failures: list[Exception]) -> None:
        self.lane = LitellmLane(transport, loader=self._load, sleep=self._sleep)
        self.pauses: list[float] = []
        self.codes: set[tuple[str | None, bool]] = set()
        self._failures = failures

    def _load(self) -> ModuleType:
        if self._failures:
            raise self._failures.pop(0)
        return litellm_setup.load()

    async def _sleep(self, seconds: float) -> None:
        assert self.lane.state is LoadState.FAILED
        self.pauses.append(seconds)
        await self.note()

    async def note(self) -> None:
        outcome = await call(self.lane, request_to(route_to("http://127.0.0.1:9/v1", Wire.OPENAI_CHAT)))
        assert outcome.error is not None
        self.codes.add((outcome.code, outcome.error.retryable))


def wrapped(cause: Exception) -> Exception:
    error = RuntimeError("failed")
    error.__cause__ = cause
    return error


async def test_a_machine_that_was_short_of_something_gets_its_models_back(upstream: Upstream) -> None:
    upstream.script = Answer(texts=("Lisbon",))
    failures = [FULL, MemoryError(), ImportError("cannot open shared object file"), wrapped(FULL), *[FULL] * 5]
    async with Transport() as transport:
        machine = Machine(transport, failures)
        await machine.lane.load()
        outcome = await call(machine.lane, request_to(route_to(upstream.base_url, Wire.OPENAI_CHAT)))
        await machine.lane.close()

    assert machine.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert machine.codes == {("not_ready", True)}
    assert machine.lane.state is LoadState.READY
    assert outcome.text == "Lisbon"


async def test_it_is_loaded_by_the_first_call_that_needs_it(upstream: Upstream) -> None:
    upstream.script = Answer(texts=("Lisbon",))
    async with Transport() as transport:
        litellm = LitellmLane(transport)
        lanes = Lanes(native=NativeLane(transport), litellm=litellm)
        native = await call(lanes, request_to(route_to(upstream.base_url, Wire.OPENAI_CHAT, lane=Lane.NATIVE)))
        before = litellm.state
        outcome = await call(lanes, request_to(route_to(upstream.base_url, Wire.OLLAMA)))
        await litellm.close()

    assert (native.text, before) == ("Lisbon", LoadState.WAITING)
    assert (outcome.text, litellm.state) == ("Lisbon", LoadState.READY)


async def test_a_call_waits_for_it_no_longer_than_for_a_token(upstream: Upstream) -> None:
    held = threading.Event()

    def load() -> ModuleType:
        held.wait(10)
        return litellm_setup.load()

    async with Transport() as transport:
        lane = LitellmLane(transport, loader=load)
        route = route_to(upstream.base_url, Wire.OLLAMA)
        early = await call(lane, request_to(route, deadlines=Deadlines(first_token_s=0.1)))
        held.set()
        late = await call(lane, request_to(route))
        await lane.close()

    assert (early.code, late.code) == ("provider_timeout", None)
    assert len(upstream.requests) == 1


async def test_a_close_ends_the_loading() -> None:
    held = threading.Event()

    def load() -> ModuleType:
        held.wait(10)
        return litellm_setup.load()

    async with Transport() as transport:
        lane = LitellmLane(transport, loader=load)
        lane.begin_loading()
        lane.begin_loading(needed=True)
        tasks = [task for task in asyncio.all_tasks() if task.get_name() == "load litellm"]
        await lane.close()
        held.set()

    assert (len(tasks), tasks[0].cancelled(), lane.needed) == (1, True, True)


async def test_what_no_pause_mends_is_not_tried_again() -> None:
    async with Transport() as transport:
        machine = Machine(transport, [SyntaxError("broken")])
        await machine.lane.load()
        await machine.note()

    assert machine.pauses == []
    assert machine.lane.state is LoadState.FAILED
    assert machine.codes == {("not_ready", True)}


async def test_a_stop_ends_the_pause() -> None:
    pausing = asyncio.Event()

    def fail() -> ModuleType:
        raise FULL

    async def sleep(seconds: float) -> None:
        pausing.set()
        await asyncio.sleep(seconds * 1000)

    async with Transport() as transport:
        loading = asyncio.create_task(LitellmLane(transport, loader=fail, sleep=sleep).load())
        async with asyncio.timeout(5):
            await pausing.wait()
        loading.cancel()
        await asyncio.wait({loading}, timeout=5)

    assert loading.cancelled()


@pytest.mark.prove
async def test_an_import_that_broke_off_in_the_middle_works_the_second_time(upstream: Upstream) -> None:
    upstream.script = Answer(texts=("Lisbon",))
    for module in ("litellm.rust_bridge.trace.queries", "openai.types.beta.threads.image_url_content_block_param"):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FIRST_FAILS, upstream.base_url, module),
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            output, errors = await process.communicate()

        told = [line for line in output.decode().splitlines() if line.startswith("1 ")]
        assert told == [f"1 ready {wire} Lisbon None" for wire in Wire], errors.decode()
