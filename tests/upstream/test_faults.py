"""Every fault does on the socket what its name says, on every wire where it can happen."""

import asyncio
import contextlib
from dataclasses import dataclass

import httpx
import orjson
import pytest

from app.errors import all_errors
from app.providers.provider import Wire
from tests.upstream import BY_NAME, FAULTS, Fault, Upstream, redirect, slow_head
from tests.upstream.asking import BODY, PATHS
from tests.upstream.wires import DIALECTS

KEY = "sk-planted-0123456789"
ENOUGH = 300_000
SILENCE_S = 0.15
CASES = [pytest.param(fault, wire, id=f"{fault}-{wire}") for fault in FAULTS for wire in Wire if wire in fault.wires]


@dataclass(frozen=True)
class Heard:
    raw: bytes
    end: str
    """`closed`, `reset`, `silent` (nothing for a while) or `enough` (it would go on)."""

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])


async def listen(upstream: Upstream, wire: Wire, *, stop: bytes | None = None, patience: float = 5.0) -> Heard:
    """Send one request on a bare socket and take what comes, until `stop` has come or nothing does any more."""
    port = int(upstream.base_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = orjson.dumps(BODY)
    head = [f"POST {PATHS[wire]} HTTP/1.1", "host: x", "connection: close", f"content-length: {len(body)}"]
    head += [f"authorization: Bearer {KEY}", "", ""]
    writer.write("\r\n".join(head).encode() + body)
    heard, end = bytearray(), "closed"
    try:
        while data := await asyncio.wait_for(reader.read(65536), patience):
            heard += data
            if len(heard) > ENOUGH or (stop and stop in heard):
                end = "enough"
                break
    except TimeoutError:
        end = "silent"
    except ConnectionError:
        end = "reset"
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    await upstream.until(lambda: upstream.open_sockets == 0)
    return Heard(bytes(heard), end)


@pytest.mark.parametrize(("fault", "wire"), CASES)
async def test_fault(fault: Fault, wire: Wire) -> None:
    stop = (b"Hello" if fault.before_text else b"\r\n\r\n") if fault.hangs else None
    patience = SILENCE_S if fault.name == "nohead" else 5.0
    async with Upstream(fault) as upstream:
        heard = await listen(upstream, wire, stop=stop, patience=patience)
    known = {kind.code for kind in all_errors()}
    assert fault.expects(wire) in known | {None}
    shown = b"Hello" in heard.raw and heard.status == 200
    assert shown == (fault.before_text or fault.name == "jsonok200")
    if fault.name.startswith("err"):
        assert heard.status == int(fault.name[3:6])
    if fault.retry_after_s:
        assert f"retry-after: {fault.retry_after_s}".encode() in heard.raw
    assert upstream.requests[0].client_left or not fault.hangs


@pytest.mark.parametrize("wire", list(Wire))
async def test_pings_come_and_say_nothing(wire: Wire) -> None:
    ping = DIALECTS[wire].pings[0]
    async with Upstream(BY_NAME["pings"]) as upstream:
        heard = await listen(upstream, wire, stop=b"\r\n%x\r\n%b\r\n" % (len(ping), ping))
    assert heard.end == "enough"
    assert b"content" not in heard.raw.partition(b"\r\n\r\n")[2]


def test_the_corpus_names_each_fault_once() -> None:
    assert len(BY_NAME) == len(FAULTS)


@pytest.mark.parametrize(
    ("name", "end", "ending"),
    [
        ("dropmid", "closed", False),
        ("rstmid", "reset", False),
        ("endmid", "closed", True),
        ("closefirst", "closed", False),
        ("nodone", "closed", True),
        ("nohead", "silent", False),
        ("headonly", "silent", False),
        ("stall", "silent", False),
    ],
)
async def test_how_the_connection_ends(name: str, end: str, ending: bool) -> None:  # noqa: FBT001 - a table's column
    async with Upstream(BY_NAME[name]) as upstream:
        heard = await listen(upstream, Wire.OPENAI_CHAT, patience=SILENCE_S if end == "silent" else 5.0)
    assert heard.end == end
    assert heard.raw.endswith(b"0\r\n\r\n") == ending


async def test_nodone_and_nofinish_are_each_other_s_half() -> None:
    async with Upstream() as upstream:
        upstream.scripts = [BY_NAME["nodone"], BY_NAME["nofinish"]]
        nodone = (await listen(upstream, Wire.OPENAI_CHAT)).raw
        nofinish = (await listen(upstream, Wire.OPENAI_CHAT)).raw
    assert b'"finish_reason":"stop"' in nodone
    assert b"[DONE]" not in nodone
    assert b'"finish_reason":"stop"' not in nofinish
    assert b"[DONE]" in nofinish


@pytest.mark.parametrize("name", ["echo401", "echomid"])
@pytest.mark.parametrize("wire", list(Wire))
async def test_the_key_comes_back(name: str, wire: Wire) -> None:
    async with Upstream(BY_NAME[name]) as upstream:
        assert KEY.encode() in (await listen(upstream, wire)).raw


@pytest.mark.parametrize(
    ("wire", "name", "told"),
    [
        (Wire.OPENAI_CHAT, "err400ctx", b'"code":"context_length_exceeded"'),
        (Wire.OPENAI_CHAT, "sseerrfirst", b'"code":429'),
        (Wire.OPENAI_RESPONSES, "sseerr", b"event: error\n"),
        (Wire.OPENAI_RESPONSES, "sseerrflat", b'"type":"response.failed"'),
        (Wire.ANTHROPIC_MESSAGES, "sseerr", b'"type":"overloaded_error"'),
        (Wire.ANTHROPIC_MESSAGES, "err401", b'"type":"authentication_error"'),
        (Wire.GEMINI, "err400badkey", b'"reason":"API_KEY_INVALID"'),
        (Wire.GEMINI, "sseerr", b'"status":"UNAVAILABLE"'),
        (Wire.OLLAMA, "err404badmodel", b'{"error":"model \'nope\' not found"}'),
        (Wire.OLLAMA, "err401zcredit", b'"type":"CreditsError"'),
    ],
)
async def test_errors_are_in_the_wire_s_own_dialect(wire: Wire, name: str, told: bytes) -> None:
    async with Upstream(BY_NAME[name]) as upstream:
        assert told in (await listen(upstream, wire)).raw


async def test_redirects_lead_where_the_test_says() -> None:
    async with Upstream() as other, Upstream(redirect(f"{other.base_url}/v1/chat/completions")) as upstream:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            answer = await client.post(f"{upstream.base_url}/v1/chat/completions", json=BODY)
        assert b"[DONE]" in answer.content
        assert [len(upstream.requests), len(other.requests)] == [1, 1]


async def test_a_model_list_can_fail_too() -> None:
    async with Upstream() as upstream, httpx.AsyncClient() as client:
        upstream.models_fault = BY_NAME["err401"]
        assert (await client.get(f"{upstream.base_url}/v1/models")).status_code == 401


async def test_a_slow_head_is_a_good_answer_all_the_same() -> None:
    async with Upstream(slow_head(0.05)) as upstream:
        assert b"[DONE]" in (await listen(upstream, Wire.OPENAI_CHAT)).raw


async def test_the_bomb_is_small_and_big() -> None:
    async with Upstream(BY_NAME["gzipbomb"]) as upstream, httpx.AsyncClient() as client:
        size = 0
        async with client.stream("POST", upstream.base_url + PATHS[Wire.OPENAI_CHAT], json=BODY) as response:
            async for piece in response.aiter_bytes():
                size += len(piece)
                if size > 32_000_000:
                    break
            assert response.num_bytes_downloaded < 1_000_000
    assert size > 32_000_000
