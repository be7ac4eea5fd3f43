import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.auth.csrf import check, parse_origins, unmask
from app.errors import ConfigError, Forbidden
from tests.voyage.csrf_token import mask, new_secret

SITE = "https://voyage.example.org"
ORIGINS = frozenset({SITE, "http://localhost:8015", "http://[::1]:3000", "http://k.example"})
ALPHABET = string.ascii_letters + string.digits
SECRET = new_secret()
OTHER = new_secret()

secrets_ = st.text(ALPHABET, min_size=32, max_size=32)


def passes(
    header: str | None = SECRET,
    cookies: tuple[str, ...] = (SECRET,),
    *,
    origins: frozenset[str] = ORIGINS,
    **others: str,
) -> None:
    headers = others if header is None else {**others, "x-csrftoken": header}
    check(headers, {"csrftoken": cookies} if cookies else {}, origins)


def refusal(header: str | None = SECRET, cookies: tuple[str, ...] = (SECRET,), **others: str) -> Forbidden:
    with pytest.raises(Forbidden) as refused:
        passes(header, cookies, origins=ORIGINS, **others)
    return refused.value


def cipher_by_hand(secret: str, key: str) -> str:
    """Django's masking, written down again: each character of the secret moved on by the one of the mask."""
    return "".join(ALPHABET[(ALPHABET.index(s) + ALPHABET.index(k)) % 62] for s, k in zip(secret, key, strict=True))


@given(secrets_, secrets_)
def test_a_masked_token_gives_back_its_secret(secret: str, key: str) -> None:
    masked = key + cipher_by_hand(secret, key)

    assert unmask(masked) == secret == unmask(secret)
    passes(masked, (secret,))
    passes(mask(secret), (mask(secret),))


@given(secrets_, secrets_, secrets_)
def test_another_secret_never_passes(secret: str, other: str, key: str) -> None:
    if secret == other:
        return
    for header in (other, key + cipher_by_hand(other, key)):
        assert "do not match" in refusal(header, (secret,)).message


def test_what_is_sent_through_the_frontend_passes() -> None:
    token = mask(SECRET)  # the proxy puts the same masked token in both places

    passes(token, (token,), origin=SITE, referer=f"{SITE}/collections/1")
    passes(token, ("", token), origin=SITE)
    passes(mask(SECRET), (SECRET,), referer=f"{SITE}/chat")
    passes(SECRET, (mask(SECRET),))


def test_of_several_cookies_the_last_counts() -> None:
    passes(SECRET, (OTHER, SECRET))
    assert "do not match" in refusal(SECRET, (SECRET, OTHER)).message


@pytest.mark.parametrize("empty", [None, ""])
def test_a_missing_token_is_named_with_its_place(empty: str | None) -> None:
    in_header = refusal(empty)
    in_cookie = refusal(SECRET, ("",) if empty == "" else ())

    assert "missing in the header X-CSRFToken" in in_header.message
    assert "missing in the cookie csrftoken" in in_cookie.message
    for refused in (in_header, in_cookie):
        assert "/csrf/" in refused.action
        assert refused.http_status == 403


@given(st.text(max_size=70))
def test_what_is_no_token_is_malformed_in_either_place(text: str) -> None:
    if not text or (len(text) in {32, 64} and not set(text) - set(ALPHABET)):
        return
    assert "header X-CSRFToken is malformed" in refusal(text, (text,)).message
    assert "cookie csrftoken is malformed" in refusal(SECRET, (text,)).message


@pytest.mark.parametrize(
    "token",
    [SECRET[:-1], SECRET + "a", SECRET * 2 + "a", SECRET[:-1] + "_", SECRET[:-1] + "é"],
    ids=range(5),  # the secret is random
)
def test_only_32_or_64_letters_and_digits_are_a_token(token: str) -> None:
    assert "malformed" in refusal(token, (token,)).message


@pytest.mark.parametrize(
    "origin", [SITE, "HTTPS://Voyage.Example.ORG", f"{SITE}:443", "http://localhost:8015", "http://[::1]:3000"]
)
def test_an_origin_of_the_list_passes(origin: str) -> None:
    passes(origin=origin)
    passes(referer=f"{origin}/a?b#c")
    passes(referer=origin)


FOREIGN = [
    "null",
    "",
    "http://voyage.example.org",
    f"{SITE}:8443",
    f"{SITE}.evil.example",
    "https://evil.example",
    "https://evilvoyage.example.org",
    "https://voyage.example.org@evil.example",
    "https://evil.example\\@voyage.example.org",
    "https://x@voyage.example.org",
    "https://voyage.example.org.",
    "//voyage.example.org",
    "voyage.example.org",
    "https://voyage.example.org,https://evil.example",
    "https://voyage.example.org https://evil.example",
    "https://*",
    "http://localhost:80150",
    "http://localhost",
    "https://voyage.example.org:0443",
    "https://vo\u0443age.example.org",
    "http://\u212a.example",
    "https://voyage.example.org\x00",
    "https://voyage.example.org\n",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_any_other_origin_is_refused_even_with_a_good_token(origin: str) -> None:
    assert "is not trusted" in refusal(origin=origin).message
    assert "is not trusted" in refusal(referer=f"{origin}/page").message


@pytest.mark.parametrize("origin", ["https://voyage.example.org/", "https://voyage.example.org/a"])
def test_an_origin_with_a_path_is_none(origin: str) -> None:
    assert "is not trusted" in refusal(origin=origin).message


def test_the_origin_decides_before_the_referer_and_both_before_the_token() -> None:
    assert "the origin https://evil.example" in refusal(None, (), origin="https://evil.example", referer=SITE).message
    passes(origin=SITE, referer="https://evil.example/page")
    refused = refusal(None, (), referer="https://evil.example/page?secret=1")
    assert "Referer's origin https://evil.example is" in refused.message
    assert "secret" not in refused.sentence


def test_without_a_list_no_page_is_trusted() -> None:
    with pytest.raises(Forbidden):
        passes(origins=frozenset(), origin=SITE)
    with pytest.raises(Forbidden):
        passes(origins=frozenset(), referer=f"{SITE}/")
    passes(origins=frozenset())


def test_the_operator_learns_which_setting_to_change() -> None:
    refused = refusal(origin="http://192.168.1.7:8015")

    assert "http://192.168.1.7:8015" in refused.message
    assert "GATEWAY_TRUSTED_ORIGINS" in refused.action


@example("x" * 400)
@given(st.text(max_size=400))
def test_a_foreign_origin_is_shown_short_and_printable(text: str) -> None:
    if text in ORIGINS:
        return
    for refused in (refusal(origin=text), refusal(referer=text)):
        message = refused.message

        assert message.isascii()
        assert message.isprintable()
        assert len(message) < 200


@given(st.sampled_from(sorted(ORIGINS)), st.text(min_size=1, max_size=10), st.integers(0, 30))
def test_no_text_added_to_an_origin_makes_another_one_trusted(origin: str, added: str, place: int) -> None:
    changed = origin[:place] + added + origin[place:]
    if changed.lower().removesuffix(":443").removesuffix(":80") in ORIGINS:
        return
    refusal(origin=changed)


def test_origins_are_read_from_a_list() -> None:
    assert parse_origins("") == parse_origins(" , ") == frozenset()
    assert parse_origins(f" {SITE}/ ,HTTP://LocalHost:8015,\nhttp://[::1]:3000,http://k.example") == ORIGINS
    assert parse_origins("https://a.example:443,http://a.example:80,http://a.example:443") == {
        "https://a.example",
        "http://a.example",
        "http://a.example:443",
    }
    assert parse_origins("http://my_app:3000,http://10.0.0.1") == {"http://my_app:3000", "http://10.0.0.1"}


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("voyage.example.org", "does not begin with"),
        ("//voyage.example.org", "does not begin with"),
        ("ftp://voyage.example.org", "does not begin with"),
        ("*", "does not begin with"),
        ("null", "does not begin with"),
        ("https://*.example.org", "wildcard"),
        ("https://user:hunter2@example.org", "user"),
        ("https://example.org/voyage", "path"),
        ("https://example.org//", "path"),
        ("https://example.org?x=1", "path"),
        ("https://example.org#x", "path"),
        ("https://", "not an origin"),
        ("https://example.org:0", "not an origin"),
        ("https://example.org:65536", "not an origin"),
        ("https://example.org:", "not an origin"),
        ("https://exämple.org", "not an origin"),
        ("https://a.example https://b.example", "path"),
        ("https://a.example;", "not an origin"),
    ],
)
def test_what_is_no_origin_stops_the_start_without_being_quoted(entry: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as stopped:
        parse_origins(f"{SITE}, {entry}")

    text = str(stopped.value)
    assert text.startswith("GATEWAY_TRUSTED_ORIGINS: entry 2 ")
    assert complaint in text
    assert "hunter2" not in text


@given(st.text(max_size=40))
def test_whatever_is_read_as_an_origin_is_one_that_a_browser_can_send(text: str) -> None:
    try:
        origins = parse_origins(text)
    except ConfigError:
        return
    for origin in origins:
        assert parse_origins(origin) == {origin}
        passes(origin=origin, origins=origins)
