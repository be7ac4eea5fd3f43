import json
import logging
import sys
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app import log

KEY = "sk-proj-0123456789abcdefABCDEF"


@pytest.fixture(autouse=True)
def _logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # uvicorn, where a test has started one, keeps its access log to itself.
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "propagate", True)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in (*log.LEAKY_LOGGERS, log.AUDIT)}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert not captured.out
    return [json.loads(line) for line in captured.err.splitlines()]


def test_one_json_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")

    structlog.stdlib.get_logger("app.runs").info("run ended", tokens=12, took_s=0.5, ok=True, nothing=None)

    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "message": "run ended",
        "level": "info",
        "logger": "app.runs",
        "tokens": 12,
        "took_s": 0.5,
        "ok": True,
        "nothing": None,
    }


def test_the_ids_of_request_and_run_are_on_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")

    with structlog.contextvars.bound_contextvars(request_id="r1", run_id="u1"):
        structlog.stdlib.get_logger("a").info("ours")
        logging.getLogger("theirs").warning("%s of the standard library", "one")

    ours, theirs = lines(capsys)
    assert (ours["request_id"], ours["run_id"]) == ("r1", "u1")
    assert (theirs["request_id"], theirs["message"], theirs["logger"]) == (
        "r1",
        "one of the standard library",
        "theirs",
    )


@pytest.mark.parametrize("style", ["json", "console"])
def test_the_level_holds_for_both_kinds_of_logger(
    style: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("WARNING", style)
    for logger in (structlog.stdlib.get_logger("a"), logging.getLogger("b")):
        logger.info("quiet")
        logger.error("loud")

    shown = capsys.readouterr().err
    assert shown.count("loud") == 2
    assert "quiet" not in shown


def test_configuring_again_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")
    log.configure("DEBUG", "json")

    structlog.stdlib.get_logger("a").debug("once")

    assert [line["message"] for line in lines(capsys)] == ["once"]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_no_level_silences_the_audit(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("CRITICAL", "json")
    log.configure(level, "json")

    for logger in (structlog.stdlib.get_logger(log.AUDIT), logging.getLogger(log.AUDIT)):
        logger.debug("a detail")
        logger.info("acted_on_behalf")

    assert [line["message"] for line in lines(capsys)] == ["acted_on_behalf", "acted_on_behalf"]


@pytest.mark.parametrize("name", log.LEAKY_LOGGERS)
def test_leaky_libraries_say_nothing_below_a_warning(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("DEBUG", "json")
    logger = logging.getLogger(name)
    child = logging.getLogger(f"{name}.deep")

    for each in (logger, child):
        each.debug("chunk: private words")
        each.info("chunk: private words")
        each.warning("a warning")

    assert [line["message"] for line in lines(capsys)] == ["a warning", "a warning"]


def test_a_level_above_warning_holds_for_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("ERROR", "json")
    logging.getLogger("httpx").warning("no")
    assert lines(capsys) == []


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_is_redacted(style: Literal["json", "console"], capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", style)
    for logger in (structlog.stdlib.get_logger("a"), logging.getLogger("b")):
        try:
            int(f"refused: Authorization: Bearer {KEY}")
        except ValueError:
            logger.exception("it failed")

    shown = capsys.readouterr().err
    assert shown.count("ValueError: invalid literal") == 2
    assert KEY not in shown


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_record_that_cannot_be_formatted_does_not_show_its_arguments(
    style: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("INFO", style)

    logging.getLogger("b").warning("%d items", KEY)

    shown = capsys.readouterr().err
    assert KEY not in shown
    assert "could not be written: TypeError" in shown


def test_values_of_any_shape_are_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    class Holder:
        def __repr__(self) -> str:
            return f"Holder(key={KEY!r})"

    log.configure("INFO", "json")
    structlog.stdlib.get_logger("a").info(
        f"text {KEY}",
        nested={"list": [KEY, (KEY,), {KEY}], KEY: 1, "x": {"api_key": "short"}},
        raw=KEY.encode(),
        holder=Holder(),
        api_key="abc",
        session_id="abc",
        max_tokens=5,
    )

    (line,) = lines(capsys)
    assert KEY not in json.dumps(line)
    assert (line["api_key"], line["session_id"], line["max_tokens"]) == (log.HIDDEN, log.HIDDEN, 5)
    assert line["nested"]["x"] == {"api_key": log.HIDDEN}


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"key {KEY}.",
        f"Authorization: Bearer {KEY}",
        f"{{'x-api-key': '{KEY}'}}",
        "x-api-key: CANARY",
        "X-API-Key=CANARY",
        "{'x-goog-api-key': 'CANARY'}",
        "(b'authorization', b'Bearer CANARY')",
        '"api_key": "CANARY"',
        "?api_key=CANARY&x=1",
        "authorization: Token CANARY",
        "bearer CANARYabcdef",
        "cookie: sessionid=CANARY",
        "Cookie: a=b; sessionid=CANARY",
        "https://user:CANARY@host/path",
        "postgresql://gateway:CANARY@db/name",
        "?key=CANARYabcdef0123456789",
        "key=Q0FOQVJZQ0FOQVJZQ0FOQVJZ",
        "token=CANARYdeadbeefdeadbeef",
        "vgw_CANARY_abcdef",
        "gsk_CANARYabcdefghijkl",
        "AIzaCANARYabcdefghijklmn",
        "gAAAAACANARYabcdefghijklmnop==",
        f"v1.k1.CANARY{'a' * 40}",
        "eyJhbGciOiJI.eyJzdWIiCANARY.c2ln",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    shown = log.redact(f"before {text} after")

    assert "CANARY" not in shown
    assert "Q0FOQVJZ" not in shown
    assert KEY not in shown
    assert log.HIDDEN in shown
    assert shown.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "run 7f1c8f0e-0000-4000-8000-000000000001 of groq took 12 ms",
        "GET /api/chat/conversations/ 200",
        "first token after 0.5 s, 120 tokens",
        "https://api.groq.com/openai/v1/models",
        "the task-list and a risk-free desk-job",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert log.redact(text) == text


def test_a_long_text_is_cut_at_a_line() -> None:
    text = "\n".join([f"line {number} {KEY}" for number in range(100_000)])

    shown = log.redact(text)

    assert len(shown) < log.MAX_TEXT_CHARS + 100
    assert shown.endswith(log.HIDDEN)
    assert "0123456789abcdef" not in shown


def test_a_long_text_without_lines_is_left_out() -> None:
    shown = log.redact("sk-" + "a" * 20_000_000)

    assert len(shown) < 100


@given(st.text(max_size=300))
def test_redaction_never_fails_and_is_stable(text: str) -> None:
    once = log.redact(text)
    assert log.redact(once).count(log.HIDDEN) >= once.count(log.HIDDEN)


def test_a_stream_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _: str) -> None:
            raise OSError

        def flush(self) -> None:
            raise OSError

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stderr", Gone())
    log.configure("INFO", "json")
    structlog.stdlib.get_logger("a").info("lost")
