import pytest

from app.errors import ConfigError
from app.settings import Settings, load_settings

ADDRESSES = ("NOMINATIM_URL", "OVERPASS_URL", "WEATHER_URL", "WEATHER_ARCHIVE_URL", "SEARXNG_URL")


def test_the_public_services_of_openstreetmap_and_open_meteo_are_the_default() -> None:
    settings = Settings()

    assert settings.nominatim_url == "https://nominatim.openstreetmap.org"
    assert settings.overpass_url == "https://overpass-api.de/api"
    assert settings.weather_url == "https://api.open-meteo.com"
    assert settings.weather_archive_url == "https://archive-api.open-meteo.com"
    assert (settings.searxng_url, settings.public_contact, settings.osm_interval_seconds) == (None, None, 1.0)


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_can_be_moved_and_switched_off(name: str) -> None:
    def read(value: str) -> object:
        return getattr(load_settings({f"GATEWAY_{name}": value}), name.lower())

    assert read("http://maps:8080/api/") == "http://maps:8080/api"
    assert read("off") is None
    for wrong in ("maps", "http://user:pw@maps", "https://maps/?a=b", "file:///etc/passwd", "http://maps:99999"):
        with pytest.raises(ConfigError, match=rf"^GATEWAY_{name}: "):
            read(wrong)


def test_a_contact_fits_into_a_header() -> None:
    assert load_settings({"GATEWAY_PUBLIC_CONTACT": "ops@example.org"}).public_contact == "ops@example.org"
    for wrong in ("a", "me (at) home", "a\r\nb: c", "ü@example.org", "x" * 101):
        with pytest.raises(ConfigError, match=r"^GATEWAY_PUBLIC_CONTACT: "):
            load_settings({"GATEWAY_PUBLIC_CONTACT": wrong})
