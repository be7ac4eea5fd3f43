"""The browser and the SvelteKit server together: the requests that reach the backend, and what comes back of them.

Observed on the running frontend, and its proxy's header handling on node itself.
"""

import json as json_module
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx

BROWSER_HEADERS: Final = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-US,en;q=0.9",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Dest": "empty",
}
NODE_HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Language": "*",
    "Sec-Fetch-Mode": "cors",
    "User-Agent": "node",
    "Accept-Encoding": "gzip, deflate",
}
EVENT_STREAM: Final = "text/event-stream"
UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True)
class Answer:
    """What the browser gets: of an event stream before its body, of anything else after it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    stream: httpx.Response | None = None
    set_cookies: list[str] = field(default_factory=list[str])
    """Those that the proxy lets through."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        """Raises `ValueError` if the body is no JSON."""
        return json_module.loads(self.body)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Give the body as it arrives; raises `httpx.TransportError` when it is cut."""
        if self.stream is None:
            yield self.body
            return
        async for chunk in self.stream.aiter_raw():
            yield chunk


class Frontend:
    """One person's browser at one frontend; `async with`, for it owns the connections.

    Paths are those of the UI's code, with their slash. Whatever the UI cannot cope with is an `AssertionError`.
    """

    def __init__(
        self,
        gateway_base_url: str,
        voyage_base_url: str,
        sessionid: str | None,
        origin: str = "http://localhost:8015",
        *,
        page: str = "/collections/1",
        same_host: bool = True,
        with_hook: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take a `sessionid` of None for somebody who is not signed in.

        `same_host` is whether frontend and backend have one host name. SvelteKit merges the cookies then, and else
        node joins the browser's with the proxy's: `sessionid` comes twice. `with_hook` asks Voyage who the caller is
        before every request, as the frontend's hook does, and signs the caller out unless it answers 200. Every
        request goes through `transport`, which is closed with this.
        """
        self.sessionid = sessionid
        self.origin = origin
        self.page = page
        self._gateway = gateway_base_url
        self._voyage = voyage_base_url
        self._same_host = same_host
        self._with_hook = with_hook
        self._http = httpx.AsyncClient(trust_env=False, timeout=30, transport=transport)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def post(self, path: str, json: Any = None) -> Answer:
        return await self.ask("POST", path, json)

    async def patch(self, path: str, json: Any = None) -> Answer:
        return await self.ask("PATCH", path, json)

    async def put(self, path: str, json: Any = None) -> Answer:
        return await self.ask("PUT", path, json)

    async def delete(self, path: str, json: Any = None) -> Answer:
        return await self.ask("DELETE", path, json)

    async def ask(self, method: str, path: str, json: Any = None) -> Answer:
        """Give the answer with its whole body; of a stream too. Raises `httpx.TransportError` when that is cut."""
        async with self.open(method, path, json) as answer:
            body = b"".join([chunk async for chunk in answer.chunks()])
        return Answer(answer.status, answer.headers, body, set_cookies=answer.set_cookies)

    async def stream(self, path: str, json: Any = None) -> AsyncGenerator[bytes]:
        """Give the chunks of an event stream; closing the generator is the person who leaves the page."""
        async with self.open("POST", path, json) as answer:
            assert EVENT_STREAM in answer.headers.get("content-type", ""), "the proxy would hold this body back"
            async for chunk in answer.chunks():
                yield chunk

    @asynccontextmanager
    async def open(self, method: str, path: str, json: Any = None) -> AsyncGenerator[Answer]:
        """Give the answer as soon as the browser has one; leaving the block drops the connection."""
        try:
            prepared = await self._prepare(method, path, json)
        except (httpx.TransportError, ValueError):
            yield _made_up(500, {"message": "Internal Error"})
            return
        if isinstance(prepared, Answer):
            yield prepared
            return
        try:
            response = await self._http.send(prepared, stream=True)
        except httpx.TransportError:
            yield _made_up(500, {"error": "Internal Server Error"})
            return
        try:
            yield await _pass_on(response)
        finally:
            await response.aclose()

    async def server_load(self, path: str) -> Answer:
        """Ask as a page's server part does: straight, with the path as it is and no cookie but the session's."""
        headers = {**NODE_HEADERS, **({"Cookie": f"sessionid={self.sessionid}"} if self.sessionid else {})}
        response = await self._http.get(self._gateway + path, headers=headers)
        _check(response)
        return Answer(response.status_code, response.headers, response.content)

    async def _prepare(self, method: str, path: str, json: Any) -> httpx.Request | Answer:
        """Give the proxy's request, or its own answer if it has no CSRF token."""
        path, _, query = path.partition("?")
        if self._with_hook:
            await self._ask_who_it_is()
        token = None
        headers = {**BROWSER_HEADERS, "Origin": self.origin, "Referer": self.origin + self.page}
        if method in UNSAFE:
            token = await self._csrf_token()
            if not token:
                return _made_up(400, {"error": "CSRF token is missing or invalid"})
            headers["X-CSRFToken"] = token
            # An empty body is a text to node.
            headers["Content-Type"] = "text/plain;charset=UTF-8" if json is None else "application/json"
        if method != "POST":
            query = f"{query}&format=json" if query else "format=json"
        path = path.rstrip("/") + ("/" if method in UNSAFE else "")
        url = self._gateway + path + (f"?{query}" if query else "")
        content = None if json is None else json_module.dumps(json, ensure_ascii=False, separators=(",", ":")).encode()
        headers["Cookie"] = self._cookies(token)
        return self._http.build_request(method, url, headers=headers, content=content)

    def _cookies(self, token: str | None) -> str:
        session = [f"sessionid={self.sessionid}"] if self.sessionid else []
        browser = [*session, "colortheme=dark"]
        if self._same_host:
            return "; ".join([*browser, f"csrftoken={token or ''}"])
        return "; ".join([*browser, *([f"csrftoken={token}"] if token else []), *session])

    async def _csrf_token(self) -> str | None:
        headers = {**NODE_HEADERS, **({"Cookie": f"sessionid={self.sessionid}"} if self.sessionid else {})}
        response = await self._http.get(f"{self._voyage}/csrf/", headers=headers)
        return response.json().get("csrfToken") if response.is_success else None

    async def _ask_who_it_is(self) -> None:
        if self.sessionid is None:
            return
        headers = {**NODE_HEADERS, "Cookie": f"sessionid={self.sessionid}"}
        response = await self._http.get(f"{self._voyage}/auth/user-metadata/", headers=headers)
        if response.status_code != 200:
            self.sessionid = None


def _check(response: httpx.Response) -> None:
    assert "content-encoding" not in response.headers, "the browser would decode a body that node decoded already"
    assert not response.has_redirect_location, f"redirected to {response.headers['location']}"


async def _pass_on(response: httpx.Response) -> Answer:
    _check(response)
    set_cookies = response.headers.get_list("set-cookie") if response.status_code == 204 else []
    headers = httpx.Headers([pair for pair in response.headers.multi_items() if pair[0].lower() != "set-cookie"])
    if EVENT_STREAM in response.headers.get("content-type", ""):
        return Answer(response.status_code, headers, stream=response)
    try:
        return Answer(response.status_code, headers, await response.aread(), set_cookies=set_cookies)
    except httpx.TransportError:
        return _made_up(500, {"error": "Internal Server Error"})


def _made_up(status: int, body: Mapping[str, str]) -> Answer:
    """Give an answer of the frontend itself."""
    return Answer(status, httpx.Headers({"content-type": "application/json"}), json_module.dumps(body).encode())
