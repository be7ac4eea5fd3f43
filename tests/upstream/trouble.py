"""An error of a provider, independent of any wire."""

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What a provider complains about, where the status does not say it all."""

    PLAIN = "plain"
    CONTEXT = "context"
    POLICY = "policy"
    QUOTA = "quota"
    MODEL = "model"
    KEY = "key"


PLAIN_MESSAGES = {
    400: "Invalid value for 'messages'.",
    401: "You must provide a valid API key.",
    402: "Payment required.",
    403: "You are not allowed to use this resource.",
    404: "The requested resource was not found.",
    408: "The request timed out.",
    409: "The resource is being changed by another request.",
    410: "This service has been retired.",
    413: "The request body is too large.",
    422: "The request was well-formed but could not be processed.",
    429: "Rate limit reached. Please try again in 7s.",
    500: "The server had an error while processing your request.",
    502: "Bad gateway.",
    503: "The service is temporarily unavailable.",
    504: "The upstream did not answer in time.",
    529: "Overloaded",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Rendered by each dialect in its own words."""

    status: int
    topic: Topic = Topic.PLAIN
    message: str | None = None
    """Replaces the dialect's own words."""

    @property
    def plain(self) -> str:
        return self.message or PLAIN_MESSAGES.get(self.status, "Something went wrong.")
