"""One request that reached the fake Voyage."""

from dataclasses import dataclass
from typing import Self

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    cookies: dict[str, str]

    @classmethod
    def of(cls, request: web.Request) -> Self:
        return cls(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            cookies=dict(request.cookies),
        )
