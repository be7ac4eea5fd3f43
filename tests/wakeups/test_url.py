import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.secret import Secret
from app.wakeups import valkey_url_complaint
from app.wakeups.valkey import ValkeyWakeups

PASSWORD = "hunter2-hunter2"
GOOD = [
    "redis://localhost",
    "redis://127.0.0.1:6379/0",
    "redis://valkey.internal.:6379/",
    "redis://[::1]:6379",
    f"redis://:{PASSWORD}@localhost",
    f"redis://gateway:{PASSWORD}%2F%23%40@localhost:6379/15",
    "redis://localhost?db=3",
    "REDIS://localhost",
    "valkey://localhost:6379",
    "VALKEY://localhost:6379",
    "rediss://localhost:6379?ssl_ca_certs=/etc/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
    "rediss://localhost:6379/0?ssl_cert_reqs=none&ssl_check_hostname=False",
    "unix:///run/valkey.sock",
    f"unix://gateway:{PASSWORD}@/run/valkey.sock?db=1",
]
BAD = [
    "",
    "localhost:6379",
    "redis:localhost",
    "redis:///0",
    "redis://",
    "redis://:6379",
    f"http://x:{PASSWORD}@localhost",
    f"redis+unix://x:{PASSWORD}@/run/valkey.sock",
    f"redis://x:{PASSWORD}/a@localhost",
    f"redis://x:{PASSWORD}?a@localhost",
    f"redis://x:{PASSWORD}#a@localhost",
    f"redis://x:[{PASSWORD}@localhost",
    f"redis://x:{PASSWORD}@localhost:0",
    f"redis://x:{PASSWORD}@localhost:65536",
    f"redis://x:{PASSWORD}@localhost:port",
    f"redis://x:{PASSWORD}@local host",
    f"redis://x:{PASSWORD}@loc\u00e4l",
    f"redis://x:{PASSWORD}@loc%61l",
    f"redis://x:{PASSWORD}@[::g]",
    f"redis://x:{PASSWORD}@localhost/name",
    f"redis://x:{PASSWORD}@localhost/0/1",
    f"redis://x:{PASSWORD}@localhost\n",
    f"redis://x:{PASSWORD}@localhost?socket_timeout=99",
    f"redis://x:{PASSWORD}@localhost?protocol=3",
    f"redis://x:{PASSWORD}@localhost?nonsense={PASSWORD}",
    f"redis://x:{PASSWORD}@localhost?db=one",
    f"redis://x:{PASSWORD}@localhost?db=1&db=2",
    f"redis://x:{PASSWORD}@localhost?ssl_cert_reqs=none",
    f"rediss://x:{PASSWORD}@localhost?ssl_cert_reqs=maybe",
    f"rediss://x:{PASSWORD}@localhost?ssl_ca_certs=",
    f"unix://run/{PASSWORD}.sock",
    f"unix://x:{PASSWORD}@",
    f"unix://x:{PASSWORD}@/",
    f"redis://{PASSWORD * 200}",
]
PIECES = [
    "redis",
    "rediss",
    "valkey",
    "unix",
    "://",
    "/",
    ":",
    "@",
    "?",
    "&",
    "=",
    "#",
    "%",
    "[",
    "]",
    "::1",
    "localhost",
    "x",
    "0",
    "6379",
    "db",
    "ssl_cert_reqs",
    "none",
    "ssl_check_hostname",
    "ssl_ca_certs",
    ".",
]


@pytest.mark.parametrize("url", GOOD)
def test_addresses_that_can_be_used(url: str) -> None:
    assert not valkey_url_complaint(url)
    assert not ValkeyWakeups(Secret(url), prefix="gateway").reaches_others


@pytest.mark.parametrize("url", BAD)
def test_what_is_wrong_is_said_without_the_address(url: str) -> None:
    complaint = valkey_url_complaint(url)

    assert complaint.endswith(".")
    assert PASSWORD not in complaint
    assert "localhost" not in complaint


def test_an_address_that_is_wrong_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="only these may stand") as caught:
        ValkeyWakeups(Secret(f"redis://x:{PASSWORD}@localhost?a=b"), prefix="gateway")

    assert PASSWORD not in str(caught.value)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14).map("".join))
def test_the_library_takes_every_address_without_a_complaint(rest: str) -> None:
    for url in (rest, f"redis://{rest}", f"rediss://localhost?{rest}", f"unix:///{rest}"):
        if not valkey_url_complaint(url):
            ValkeyWakeups(Secret(url), prefix="gateway")
