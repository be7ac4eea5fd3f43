"""The public services on loopback, each under a path of its own, as far as the tools ask them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from app.tools.public.tools import PublicAddresses
from tests.tools.public import open_meteo, overpass

TODAY: Final = date(2026, 11, 26)
PAGE: Final = b"<!DOCTYPE html><html><body><h1>Internal Server Error</h1></body></html>"
SERVICES: Final = ("nominatim", "overpass", "forecast", "archive", "searxng")
Trouble = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    service: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]


class FakePublic:
    """`async with FakePublic() as public`: listens on 127.0.0.1 until the block ends."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.trouble: dict[str, Trouble] = {}
        """By service: how its requests end from now on."""
        self.geocoded: dict[str, tuple[str, str]] = {}
        """Latitude and longitude by what is searched for, as Nominatim writes them."""
        self.elements: list[dict[str, Any]] = []
        self.remark: str | None = None
        self.measured: open_meteo.Temperatures = lambda _: (10.0, 20.0)
        self.foretold: open_meteo.Temperatures = lambda _: (11.0, 21.0)
        self.pages: list[Any] = []
        self.engines_down: list[list[str]] = []
        self.base_url = ""
        self._runner: web.AppRunner | None = None

    def addresses(self, **changes: Any) -> PublicAddresses:
        given: dict[str, Any] = {service: f"{self.base_url}/{service}" for service in SERVICES}
        given |= {"contact": "ops@example.org"}
        given |= changes
        return PublicAddresses(**given)

    def asked(self, service: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.service == service]

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/nominatim/search", self._nominatim)
        application.router.add_post("/overpass/interpreter", self._overpass)
        application.router.add_get("/archive/v1/archive", self._archive)
        application.router.add_get("/forecast/v1/forecast", self._forecast)
        application.router.add_get("/searxng/search", self._searxng)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _note(self, request: web.Request, service: str) -> web.StreamResponse | None:
        form = {key: str(value) for key, value in (await request.post()).items()}
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(service, dict(request.query), form, headers))
        trouble = self.trouble.get(service)
        return await trouble(request) if trouble else None

    async def _nominatim(self, request: web.Request) -> web.StreamResponse:
        if troubled := await self._note(request, "nominatim"):
            return troubled
        assert (request.query["format"], request.query["limit"]) == ("json", "1")
        found = self.geocoded.get(request.query["q"])
        if found is None:
            return web.json_response([])
        hit = {"place_id": 1, "osm_type": "relation", "osm_id": 2, "lat": found[0], "lon": found[1], "importance": 0.8}
        return web.json_response([{**hit, "display_name": request.query["q"], "boundingbox": ["1", "2", "3", "4"]}])

    async def _overpass(self, request: web.Request) -> web.StreamResponse:
        if troubled := await self._note(request, "overpass"):
            return troubled
        try:
            elements = overpass.run(self.seen[-1].form["data"], self.elements)
        except overpass.SyntaxFault:
            return web.Response(status=400, body=PAGE, content_type="text/html")
        answer: dict[str, Any] = {"version": 0.6, "generator": "Overpass API 0.7.62", "elements": elements}
        if self.remark is not None:
            answer |= {"remark": self.remark, "elements": []}
        return web.json_response(answer)

    async def _archive(self, request: web.Request) -> web.StreamResponse:
        if troubled := await self._note(request, "archive"):
            return troubled
        return self._weather(request, date(1940, 1, 1), TODAY - timedelta(days=1), self.measured)

    async def _forecast(self, request: web.Request) -> web.StreamResponse:
        if troubled := await self._note(request, "forecast"):
            return troubled
        first, last = TODAY - timedelta(days=92), TODAY + timedelta(days=15)
        return self._weather(request, first, last, self.foretold)

    def _weather(
        self, request: web.Request, first: date, last: date, temperatures: open_meteo.Temperatures
    ) -> web.Response:
        status, body = open_meteo.answer(request.query, first, last, temperatures)
        return web.json_response(body, status=status)

    async def _searxng(self, request: web.Request) -> web.StreamResponse:
        if troubled := await self._note(request, "searxng"):
            return troubled
        assert request.query["format"] == "json"
        body = {"query": request.query["q"], "number_of_results": 0, "results": self.pages, "answers": []}
        return web.json_response({**body, "infoboxes": [], "unresponsive_engines": self.engines_down})


def answers(body: bytes = b"", status: int = 200, **headers: str) -> Trouble:
    """End each request with these bytes; names of headers with `_` for `-`."""

    async def trouble(request: web.Request) -> web.StreamResponse:
        del request
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=named)

    return trouble


def hangs(begun: asyncio.Event | None = None) -> Trouble:
    """Never answer."""

    async def trouble(request: web.Request) -> web.StreamResponse:
        del request
        if begun is not None:
            begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    return trouble


def floods(size: int, sent: bytearray | None = None) -> Trouble:
    """Send that many bytes without saying how many; `sent` gets one for each 64 kB that the other side has taken."""

    async def trouble(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(size // 65_536 + 1):
            await response.write(b" " * 65_536)
            if sent is not None:
                sent.append(1)
        return response

    return trouble
