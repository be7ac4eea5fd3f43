from app.auth.known_sessions import KNOWN_S, KnownSessions


def test_the_oldest_make_room() -> None:
    known = KnownSessions(monotonic=lambda: 1.0, max_entries=2)
    for digest in (b"a", b"b", b"a", b"c"):
        known.note(digest, good=True)

    assert [digest in known for digest in (b"a", b"b", b"c")] == [True, False, True]


def test_nobodys_session_is_forgotten_and_takes_no_room() -> None:
    known = KnownSessions(monotonic=lambda: 1.0, max_entries=2)
    for digest, good in ((b"a", True), (b"b", True), (b"b", False), (b"x", False), (b"y", False)):
        known.note(digest, good=good)

    assert [digest in known for digest in (b"a", b"b", b"x", b"y")] == [True, False, False, False]


def test_it_lasts_from_the_last_time() -> None:
    now = 1.0
    known = KnownSessions(monotonic=lambda: now)
    known.note(b"a", good=True)
    now += KNOWN_S - 1
    known.note(b"a", good=True)
    now += KNOWN_S - 1
    assert b"a" in known
    now += 1
    assert b"a" not in known
