"""A provider key is sealed once and never seen again: not in a stream, a log, the database or a traceback."""

import base64
import hashlib
import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog

from app import log
from app.providers.provider import Lane, Wire
from tests.stories.gateway import KEY, Story, gateway
from tests.upstream import BY_NAME, Answer

FORMS = (
    KEY,
    quote(KEY, safe=""),
    base64.b64encode(KEY.encode()).decode().rstrip("="),
    hashlib.sha256(KEY.encode()).hexdigest(),
)
ECHOES = ("echo401", "echomid", "err401badkey", "badchunk", "html200", "dropmid", "sseerrstr", "stall")


@pytest.fixture
def everything_logged() -> Iterator[StringIO]:
    """Log as `GATEWAY_LOG_LEVEL=DEBUG` does, into memory."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    log.configure("DEBUG", "json")
    written = StringIO()
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(written)  # pyright: ignore[reportUnknownMemberType]  # its stream type is not known
    yield written
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("wire", list(Wire))
async def test_the_key_is_found_nowhere(
    sqlite_url: str, tmp_path: Path, everything_logged: StringIO, lane: Lane, wire: Wire
) -> None:
    async with gateway(sqlite_url, tmp_path, idle_s=0.5, GATEWAY_LANE=lane.value) as story:
        story.upstream.script = Answer()
        seen = await use_and_break(story, wire)
        logged = everything_logged.getvalue()
        assert [recorded.api_key for recorded in story.upstream.calls] == [KEY] * (len(ECHOES) + 2)

    stored = database_bytes(tmp_path)
    assert len(stored) > 10_000
    assert logged.count("run.ended") == len(ECHOES) + 2
    for form in FORMS:
        assert form not in seen
        assert form not in logged
        assert form.encode() not in stored


def database_bytes(folder: Path) -> bytes:
    """Give the database file and what lies beside it."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("gateway.db"))


async def use_and_break(story: Story, wire: Wire) -> str:
    """Store the key, use it well and badly; give everything that came back over HTTP."""
    await story.store_key(wire.value)
    conversation = await story.conversation()
    seen = (await story.send(conversation, provider=wire.value)).raw.decode()
    for name in ECHOES:
        story.upstream.script = BY_NAME[name]
        stream = await story.send(conversation, provider=wire.value)
        seen += stream.raw.decode() + str(stream.response.headers)
    story.upstream.script = Answer(texts=("Your key is ", KEY[:9], KEY[9:], ", keep it."), reasoning=(f"So {KEY}.",))
    echoed = await story.send(conversation, provider=wire.value)
    assert echoed.text == "Your key is […], keep it."
    seen += echoed.raw.decode()
    for path in ("/api/integrations/api-keys/", "/api/chat/providers/", f"/api/chat/conversations/{conversation}/"):
        seen += (await story.http.get(path)).text
    return seen
