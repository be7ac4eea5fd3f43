"""The fault corpus: everything that was seen to go wrong at a provider, and the code a correct gateway gives it."""

from collections.abc import Mapping
from typing import Final

from app.providers.provider import Wire
from tests.upstream import fault_plays as plays
from tests.upstream.answer import Answer
from tests.upstream.fault import Fault
from tests.upstream.frames import Part
from tests.upstream.trouble import Topic

_CHAT: Final = frozenset({Wire.OPENAI_CHAT})
_GEMINI: Final = frozenset({Wire.GEMINI})
_FRAGMENTED: Final = frozenset({Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, Wire.ANTHROPIC_MESSAGES})
"""Wires on which the arguments of a tool call come as pieces of text."""

_HTML: Final = b"<!DOCTYPE html><html><head><title>Attention</title></head><body><h1>Gateway</h1></body></html>"
_BAD_KEY: Final = "API key not valid. Please pass a valid API key."
_NO_MODEL: Final = "The model `nope` does not exist."
_BLOCKED: Final = b'data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":11}}\n\n'

_CUT: Final = "stream_interrupted"
_WRONG: Final = "invalid_provider_response"
_BROKEN: Final = "provider_internal_error"

_QUOTA: Final[Mapping[Wire, str | None]] = dict.fromkeys(
    (Wire.ANTHROPIC_MESSAGES, Wire.GEMINI, Wire.OLLAMA), "quota_exhausted"
)
_USUAL: Final[Mapping[Wire, str | None]] = {
    Wire.ANTHROPIC_MESSAGES: "provider_overloaded",
    Wire.GEMINI: "provider_unavailable",
}
_FLAT: Final[Mapping[Wire, str | None]] = {
    Wire.ANTHROPIC_MESSAGES: "provider_overloaded",
    Wire.OPENAI_RESPONSES: _BROKEN,  # `response.failed` with `server_error`
    Wire.OLLAMA: _BROKEN,  # its errors have neither status nor name
}

_STATUSES: Final = (
    Fault("err400", plays.status(400), "invalid_request", says="400, the request is wrong"),
    Fault("err401", plays.status(401), "authentication_failed", says="401, no or a wrong key"),
    Fault("err402", plays.status(402), "insufficient_credits", says="402, payment required"),
    Fault("err403", plays.status(403), "permission_denied", says="403, not allowed"),
    Fault("err404", plays.status(404), "model_not_found", says="404, nothing there"),
    Fault("err408", plays.status(408), "provider_timeout", says="408, the provider waited too long for the request"),
    # A conflict is a state of the provider, cured by trying again; the request itself is not wrong.
    Fault("err409", plays.status(409), "provider_unavailable", says="409, a conflict at the provider"),
    Fault("err410", plays.status(410), "provider_retired", says="410, the service is gone"),
    # We send text only: a body that is too large is a conversation that is too long.
    Fault("err413", plays.status(413), "context_length_exceeded", says="413, the request is too large"),
    Fault("err422", plays.status(422), "invalid_request", says="422, the request cannot be processed"),
    Fault(
        "err429ra",
        plays.status(429, after=7),
        "rate_limited",
        retry_after_s=7,
        says="429, too many requests; it says when to come back",
    ),
    Fault("err500", plays.status(500), _BROKEN, says="500, the provider broke"),
    Fault("err502", plays.status(502), "provider_unavailable", says="502, a bad gateway before the provider"),
    Fault(
        "err503ra",
        plays.status(503, after=7),
        "provider_unavailable",
        retry_after_s=7,
        says="503, the provider is away; it says when to come back",
    ),
    Fault("err504", plays.status(504), "provider_timeout", says="504, a gateway before the provider waited too long"),
    Fault("err529", plays.status(529), "provider_overloaded", says="529, the provider is overloaded"),
    Fault(
        "err400ctx",
        plays.status(400, Topic.CONTEXT),
        "context_length_exceeded",
        says="400, the conversation is longer than the model's context",
    ),
    Fault(
        "err413ctx",
        plays.status(413, Topic.CONTEXT),
        "context_length_exceeded",
        says="413, the conversation is longer than the model's context",
    ),
    Fault(
        "err400policy", plays.status(400, Topic.POLICY), "content_filtered", says="400, a content rule of the provider"
    ),
    Fault("err429quota", plays.quota, "insufficient_credits", _QUOTA, says="429, the account's quota is used up"),
    Fault("err404badmodel", plays.status(404, Topic.MODEL), "model_not_found", says="404, no such model"),
    Fault("err400badmodel", plays.status(400, Topic.MODEL, _NO_MODEL), "model_not_found", says="400, no such model"),
    Fault("err401badkey", plays.status(401, Topic.KEY), "authentication_failed", says="401, the key is not valid"),
    Fault(
        "err400badkey",
        plays.status(400, Topic.KEY, _BAD_KEY),
        "authentication_failed",
        says="400, the key is not valid",
    ),
    Fault(
        "err401zmodel",
        plays.zen(401, "ModelError", "Model nope is not supported"),
        "model_not_found",
        says="401 of OpenCode Zen, the model is not supported",
    ),
    Fault(
        "err401zcredit",
        plays.zen(401, "CreditsError", "No payment method."),
        "insufficient_credits",
        says="401 of OpenCode Zen, no credits",
    ),
    Fault(
        "err401zspend",
        plays.zen(401, "MonthlyLimitError", "Monthly limit reached."),
        "spend_limit_reached",
        says="401 of OpenCode Zen, the monthly limit is reached",
    ),
    Fault(
        "err403zfree",
        plays.zen(403, "FreeTierError", "The free tier is closed."),
        "free_tier_restricted",
        says="403 of OpenCode Zen, not in the free tier",
    ),
    Fault(
        "err403zregion",
        plays.zen(403, "RegionError", "Not in your region."),
        "region_not_allowed",
        says="403 of OpenCode Zen, not in this region",
    ),
    Fault(
        "err429zlimit",
        plays.zen(429, "RateLimitError", "Slow down.", 7),
        "rate_limited",
        retry_after_s=7,
        says="429 of OpenCode Zen, too many requests; it says when to come back",
    ),
    Fault(
        "err429zday",
        plays.zen(429, "FreeUsageLimitError", "Daily limit reached.", 40000),
        "quota_exhausted",
        retry_after_s=40000,
        says="429 of OpenCode Zen, the free daily limit is reached",
    ),
    Fault("err502html", plays.fixed(502, "text/html", _HTML), "provider_unavailable", says="502 with a web page"),
    Fault("err403html", plays.fixed(403, "text/html", _HTML), "permission_denied", says="403 with a web page"),
    Fault("err500empty", plays.fixed(500, "application/json", b""), _BROKEN, says="500 without a body"),
    Fault(
        "err500badjson", plays.fixed(500, "application/json", b'{"error": {"mess'), _BROKEN, says="500 with broken JSON"
    ),
    Fault(
        "err503text",
        plays.fixed(503, "text/plain", b"no healthy upstream"),
        "provider_unavailable",
        says="503 with plain text",
    ),
    Fault("echo401", plays.echo_status, "authentication_failed", says="401 whose text repeats the key"),
    Fault("redirect", plays.redirect("/moved/v1/chat/completions"), _WRONG, says="a redirect"),
)

_SUCCESSES_THAT_ARE_NONE: Final = (
    Fault("html200", plays.fixed(200, "text/html", _HTML), _WRONG, says="200 with a web page"),
    Fault("empty200", plays.fixed(200, None, b""), _WRONG, says="200 without a body"),
    # To Ollama an answer in one piece is a stream of one line, and an error object a line like any other.
    Fault(
        "json200",
        plays.error_as_success,
        _WRONG,
        {Wire.OLLAMA: _BROKEN},
        says="200 with an error object instead of a stream",
    ),
    Fault(
        "badjson200",
        plays.fixed(200, "application/json", b'{"id": "chatcmpl-1", "choi'),
        _WRONG,
        says="200 with broken JSON",
    ),
    Fault(
        "jsonok200",
        plays.whole_as_success,
        _WRONG,
        {Wire.OLLAMA: None},
        says="200 with the whole answer in one piece instead of a stream",
    ),
    Fault("bighead", plays.big_header, _WRONG, says="a response header of 1 MB"),
    Fault("bigbody", plays.big_body, _BROKEN, says="500 with a body of 16 MB"),
    Fault("gzipbomb", plays.gzip_bomb, _WRONG, says="300 kB that unpack to 256 MB"),
    Fault("endlessline", plays.endless_line, _WRONG, says="one line without end"),
    Fault("endless", plays.endless, _WRONG, before_text=True, hangs=True, says="text without end"),
)

_STREAMS_THAT_BREAK: Final = (
    Fault("closefirst", plays.close_first, "provider_unreachable", says="the connection closes before any answer"),
    Fault("dropmid", plays.drop_mid, _CUT, before_text=True, says="the connection closes in the middle of the answer"),
    Fault(
        "rstmid", plays.reset_mid, _CUT, before_text=True, says="the connection is reset in the middle of the answer"
    ),
    Fault(
        "endmid",
        plays.end_mid,
        _CUT,
        before_text=True,
        says="the response ends properly, but in the middle of the answer",
    ),
    # OpenAI's chat has said why it ends when only [DONE] is missing; elsewhere the missing event is the end itself.
    Fault(
        "nodone",
        plays.without(Part.END, Part.FINISH),
        _CUT,
        {Wire.OPENAI_CHAT: None},
        before_text=True,
        says="the event that ends the stream is missing",
    ),
    Fault(
        "nofinish",
        plays.without(Part.FINISH),
        _CUT,
        before_text=True,
        wires=_CHAT,
        says="the stream ends without saying why the answer ended",
    ),
    Fault(
        "cutargs",
        plays.answering(plays.CUT_CALL),
        _CUT,
        before_text=True,
        wires=_FRAGMENTED,
        says="the stream ends properly inside the arguments of a tool call",
    ),
    Fault("nocontent", plays.answering(Answer(texts=())), None, says="an answer without any text"),
    Fault(
        "promptblock",
        plays.fixed(200, None, _BLOCKED),
        "content_filtered",
        wires=_GEMINI,
        says="the question is blocked, without an answer",
    ),
    Fault("badchunk", plays.bad_chunk, _WRONG, before_text=True, says="an event with broken JSON"),
    Fault(
        "sseerr",
        plays.error_mid(plays.usual_error),
        _BROKEN,
        _USUAL,
        before_text=True,
        says="an error event in the middle of the answer",
    ),
    Fault(
        "sseerrfirst",
        plays.error_first,
        "rate_limited",
        {Wire.OLLAMA: _BROKEN},
        says="an error event before the answer: too many requests",
    ),
    Fault(
        "sseerrflat",
        plays.error_mid(plays.flat_error),
        "provider_unavailable",
        _FLAT,
        before_text=True,
        says="an error event of another form in the middle of the answer",
    ),
    Fault(
        "sseerrstr",
        plays.error_mid(plays.string_error),
        _BROKEN,
        before_text=True,
        says="an error event that is a bare text, in the middle of the answer",
    ),
    Fault(
        "echomid",
        plays.error_mid(plays.echo_error),
        _BROKEN,
        before_text=True,
        says="an error event that repeats the key, in the middle of the answer",
    ),
)

_SILENCES: Final = (
    Fault("nohead", plays.no_head, "provider_timeout", hangs=True, says="silence after the request"),
    Fault("headonly", plays.head_only, "provider_timeout", hangs=True, says="silence after the response's headers"),
    Fault(
        "stall", plays.stall, "stream_stalled", before_text=True, hangs=True, says="silence in the middle of the answer"
    ),
    Fault("pings", plays.pings, "provider_timeout", hangs=True, says="only pings, never an answer"),
    Fault(
        "pingsmid",
        plays.pings_mid,
        "stream_stalled",
        before_text=True,
        hangs=True,
        says="only pings from the middle of the answer on",
    ),
)

FAULTS: Final[tuple[Fault, ...]] = _STATUSES + _SUCCESSES_THAT_ARE_NONE + _STREAMS_THAT_BREAK + _SILENCES

BY_NAME: Final[Mapping[str, Fault]] = {fault.name: fault for fault in FAULTS}


def redirect(location: str, number: int = 307) -> Fault:
    """A redirect to `location`, which may be on another upstream."""
    return Fault("redirect", plays.redirect(location, number), _WRONG)


def slow_head(seconds: float) -> Fault:
    """A good answer whose head takes `seconds`."""
    return Fault("slowhead", plays.answering(Answer(head_delay=seconds)), None)
