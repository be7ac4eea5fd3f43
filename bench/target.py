"""What is asked of either server: the bytes of each request, made before anything is measured."""

import asyncio
from typing import Final

import aiohttp
import orjson

USER: Final = "bench"
TOKEN: Final = "token-of-the-bench-" + "b" * 32
_AT_ONCE: Final = 8
_READY_S: Final = 60.0
_LOOK_S: Final = 0.1
_MESSAGE: Final = "Plan a weekend in Lisbon, please: two days, on foot and by ferry, with a view in the evening."


def direct_request() -> bytes:
    """Give the request that the scripted upstream is asked without the gateway."""
    messages = [{"role": "user", "content": _MESSAGE}]
    return _request("/v1/chat/completions", {"model": "bench-1", "messages": messages, "stream": True})


async def gateway_requests(port: int, count: int) -> list[bytes]:
    """Create `count` conversations and give the message to each: a conversation takes one run at a time.

    Waits first until the gateway is ready: a lane may load for seconds. Raises `TimeoutError` when it is not.
    """
    await _until_ready(port)
    free = asyncio.Semaphore(_AT_ONCE)
    url = f"http://127.0.0.1:{port}/api/chat/conversations/"
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {TOKEN}"}, raise_for_status=True) as session:

        async def create() -> bytes:
            async with free, session.post(url, json={}) as response:
                created = await response.json(loads=orjson.loads)
                return _request(f"/api/chat/conversations/{created['id']}/send_message/", {"message": _MESSAGE})

        return list(await asyncio.gather(*(create() for _ in range(count))))


async def _until_ready(port: int) -> None:
    async with asyncio.timeout(_READY_S), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{port}/health/ready") as response:
                if response.ok:
                    return
            await asyncio.sleep(_LOOK_S)


def _request(path: str, body: object) -> bytes:
    payload = orjson.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload
