"""Arguments of a model, and answers of a service, that nobody would write."""

import json
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.tools.public.links import web_link
from app.tools.public.map_query import KINDS, map_query
from app.tools.public.numbers import number
from app.tools.public.place import read_place
from app.tools.public.point import Point, point_of
from tests.tools.public import overpass
from tests.tools.public.fake import FakePublic
from tests.tools.public.using import toolbox
from tests.voyage_client.strange_json import ANYTHING, objects

FEW: Final = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
NUMBERS: Final = st.one_of(st.floats(), st.integers(), st.text(max_size=50), st.floats().map(str))
INJECTIONS: Final = st.sampled_from(
    ['Rome"](around:1,1,1);out;', "../../etc/passwd", "a&format=html", "http://169.254.169.254/", "x\r\nHost: y", "%00"]
)
ARGUMENTS: Final = objects(
    location=st.one_of(st.just("Rome"), INJECTIONS),
    category=st.one_of(st.sampled_from(sorted(KINDS)), INJECTIONS),
    radius=NUMBERS,
    query=INJECTIONS,
    location_context=INJECTIONS,
    latitude=NUMBERS,
    longitude=NUMBERS,
    dates=st.lists(st.one_of(st.dates().map(str), st.text(max_size=12)), max_size=5),
)
ELEMENTS: Final = objects(
    type=st.sampled_from(["node", "way", "area"]),
    id=st.integers(),
    lat=NUMBERS,
    lon=NUMBERS,
    center=objects(lat=NUMBERS, lon=NUMBERS),
    tags=st.dictionaries(st.sampled_from(["name", "website", "url", "addr:full", "addr:city"]), ANYTHING),
)


@FEW
@given(calls=st.lists(ARGUMENTS, min_size=1, max_size=5), elements=st.lists(ELEMENTS, max_size=5))
async def test_any_arguments_give_a_result_that_is_json(calls: list[dict[str, Any]], elements: list[Any]) -> None:
    async with FakePublic() as public:
        public.geocoded["Rome"] = ("41.9", "12.5")
        public.pages = elements
        async with toolbox(public) as box:
            for arguments in calls:
                for name in ("search_places", "web_search", "get_weather"):
                    result = await box.call(name, arguments)
                    told = json.dumps(result.value, allow_nan=False)
                    assert told.startswith("{")
                    assert len(told) < 20_000
                    assert result.failed == ("error" in result.value)
        for seen in public.seen:
            # Whatever is asked stays a value: no argument ends up in a path, a header or the query language.
            assert "169.254" not in str(seen.headers)
            assert seen.service != "searxng" or set(seen.query) == {"q", "format", "safesearch"}
            assert seen.service != "overpass" or overpass.run(seen.form["data"], []) == []


@given(element=st.one_of(ELEMENTS, ANYTHING))
def test_an_element_gives_a_card_or_nothing(element: Any) -> None:
    place = read_place(element, "website")
    if place is None:
        return
    card = place.shown("food")

    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["name"].strip()
    assert "\n" not in card["name"] + card["address"]
    assert abs(card["latitude"]) <= 90
    assert abs(card["longitude"]) <= 180
    assert card["link"].startswith(("https://", "http://"))


@given(value=st.one_of(NUMBERS, ANYTHING), other=NUMBERS)
def test_numbers_are_finite_or_nothing(value: Any, other: Any) -> None:
    read = number(value)
    assert read is None or abs(read) < float("inf")
    point = point_of(value, other)
    assert point is None or point.km_to(Point(0, 0)) < 20_100


@given(
    value=st.one_of(
        ANYTHING,
        st.text("htps:/.@a-Z0[]%\\ \n\u202e", max_size=30),
        st.text(max_size=20).map(lambda text: f"https://{text}"),
    )
)
def test_a_link_is_plain_http_or_nothing(value: Any) -> None:
    link = web_link(value)
    if link is not None:
        assert link.startswith(("http://", "https://"))
        assert link.isprintable()
        assert not set(link) & set(' <>"\\')
        assert "@" not in link.split("/")[2]


def test_what_is_a_link_and_what_is_none() -> None:
    assert web_link(" www.café.example/ ") is None
    assert web_link("museum.example/a?b=1#c") == "https://museum.example/a?b=1#c"
    assert web_link("http://[::1]:8000/x") == "http://[::1]:8000/x"
    for text in ("javascript:alert(1)", "//evil.example", "https://", "http://a:99999/", "ftp://a.example/", "HTTPS:x"):
        assert web_link(text) is None


@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180), metres=st.integers(500, 50_000))
def test_a_query_is_well_formed_at_every_point(latitude: float, longitude: float, metres: int) -> None:
    for kind in KINDS.values():
        assert overpass.run(map_query(kind, Point(latitude, longitude).rounded(3), metres), []) == []
