"""What an operator can set about the public services that tools ask."""

import re
from typing import Final

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from app.service_url import service_url

_OFF: Final = "off"
_CONTACT: Final = re.compile(r"[A-Za-z0-9@._~:/+-]{3,100}")


class PublicSettings(BaseSettings):
    """A part of `Settings`; an address that is None keeps its tool from being offered."""

    public_contact: str | None = None
    """An e-mail address or a page of the operator; the services see it with each request."""
    nominatim_url: str | None = "https://nominatim.openstreetmap.org"
    overpass_url: str | None = "https://overpass-api.de/api"
    osm_interval_seconds: float = Field(default=1.0, ge=0, le=3600, allow_inf_nan=False)
    """Between two requests to Nominatim, and to Overpass, from one process."""
    weather_url: str | None = "https://api.open-meteo.com"
    weather_archive_url: str | None = "https://archive-api.open-meteo.com"
    searxng_url: str | None = None

    @field_validator("public_contact")
    @classmethod
    def _contact(cls, value: str | None) -> str | None:
        if value is not None and not _CONTACT.fullmatch(value):
            message = "must be an e-mail address or a web address of up to 100 characters"
            raise ValueError(message)
        return value

    @field_validator("nominatim_url", "overpass_url", "weather_url", "weather_archive_url", "searxng_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None or value == _OFF:
            return None
        return service_url(value, "https://service.example.org")
