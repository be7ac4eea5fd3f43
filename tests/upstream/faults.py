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
    Fault("err400", plays.status(400), "invalid_request"),
    Fault("err401", plays.status(401), "authentication_failed"),
    Fault("err402", plays.status(402), "insufficient_credits"),
    Fault("err403", plays.status(403), "permission_denied"),
    Fault("err404", plays.status(404), "model_not_found"),
    Fault("err408", plays.status(408), "provider_timeout"),
    # A conflict is a state of the provider, cured by trying again; the request itself is not wrong.
    Fault("err409", plays.status(409), "provider_unavailable"),
    Fault("err410", plays.status(410), "provider_retired"),
    # We send text only: a body that is too large is a conversation that is too long.
    Fault("err413", plays.status(413), "context_length_exceeded"),
    Fault("err422", plays.status(422), "invalid_request"),
    Fault("err429ra", plays.status(429, after=7), "rate_limited", retry_after_s=7),
    Fault("err500", plays.status(500), _BROKEN),
    Fault("err502", plays.status(502), "provider_unavailable"),
    Fault("err503ra", plays.status(503, after=7), "provider_unavailable", retry_after_s=7),
    Fault("err504", plays.status(504), "provider_timeout"),
    Fault("err529", plays.status(529), "provider_overloaded"),
    Fault("err400ctx", plays.status(400, Topic.CONTEXT), "context_length_exceeded"),
    Fault("err413ctx", plays.status(413, Topic.CONTEXT), "context_length_exceeded"),
    Fault("err400policy", plays.status(400, Topic.POLICY), "content_filtered"),
    Fault("err429quota", plays.quota, "insufficient_credits", _QUOTA),
    Fault("err404badmodel", plays.status(404, Topic.MODEL), "model_not_found"),
    Fault("err400badmodel", plays.status(400, Topic.MODEL, _NO_MODEL), "model_not_found"),
    Fault("err401badkey", plays.status(401, Topic.KEY), "authentication_failed"),
    Fault("err400badkey", plays.status(400, Topic.KEY, _BAD_KEY), "authentication_failed"),
    Fault("err401zmodel", plays.zen(401, "ModelError", "Model nope is not supported"), "model_not_found"),
    Fault("err401zcredit", plays.zen(401, "CreditsError", "No payment method."), "insufficient_credits"),
    Fault("err401zspend", plays.zen(401, "MonthlyLimitError", "Monthly limit reached."), "spend_limit_reached"),
    Fault("err403zfree", plays.zen(403, "FreeTierError", "The free tier is closed."), "free_tier_restricted"),
    Fault("err403zregion", plays.zen(403, "RegionError", "Not in your region."), "region_not_allowed"),
    Fault("err429zlimit", plays.zen(429, "RateLimitError", "Slow down.", 7), "rate_limited", retry_after_s=7),
    Fault(
        "err429zday",
        plays.zen(429, "FreeUsageLimitError", "Daily limit reached.", 40000),
        "quota_exhausted",
        retry_after_s=40000,
    ),
    Fault("err502html", plays.fixed(502, "text/html", _HTML), "provider_unavailable"),
    Fault("err403html", plays.fixed(403, "text/html", _HTML), "permission_denied"),
    Fault("err500empty", plays.fixed(500, "application/json", b""), _BROKEN),
    Fault("err500badjson", plays.fixed(500, "application/json", b'{"error": {"mess'), _BROKEN),
    Fault("err503text", plays.fixed(503, "text/plain", b"no healthy upstream"), "provider_unavailable"),
    Fault("echo401", plays.echo_status, "authentication_failed"),
    Fault("redirect", plays.redirect("/moved/v1/chat/completions"), _WRONG),
)

_SUCCESSES_THAT_ARE_NONE: Final = (
    Fault("html200", plays.fixed(200, "text/html", _HTML), _WRONG),
    Fault("empty200", plays.fixed(200, None, b""), _WRONG),
    # To Ollama an answer in one piece is a stream of one line, and an error object a line like any other.
    Fault("json200", plays.error_as_success, _WRONG, {Wire.OLLAMA: _BROKEN}),
    Fault("badjson200", plays.fixed(200, "application/json", b'{"id": "chatcmpl-1", "choi'), _WRONG),
    Fault("jsonok200", plays.whole_as_success, _WRONG, {Wire.OLLAMA: None}),
    Fault("bighead", plays.big_header, _WRONG),
    Fault("bigbody", plays.big_body, _BROKEN),
    Fault("gzipbomb", plays.gzip_bomb, _WRONG),
    Fault("endlessline", plays.endless_line, _WRONG),
    Fault("endless", plays.endless, _WRONG, before_text=True, hangs=True),
)

_STREAMS_THAT_BREAK: Final = (
    Fault("closefirst", plays.close_first, "provider_unreachable"),
    Fault("dropmid", plays.drop_mid, _CUT, before_text=True),
    Fault("rstmid", plays.reset_mid, _CUT, before_text=True),
    Fault("endmid", plays.end_mid, _CUT, before_text=True),
    # OpenAI's chat has said why it ends when only [DONE] is missing; elsewhere the missing event is the end itself.
    Fault("nodone", plays.without(Part.END, Part.FINISH), _CUT, {Wire.OPENAI_CHAT: None}, before_text=True),
    Fault("nofinish", plays.without(Part.FINISH), _CUT, before_text=True, wires=_CHAT),
    Fault("cutargs", plays.answering(plays.CUT_CALL), _CUT, before_text=True, wires=_FRAGMENTED),
    Fault("nocontent", plays.answering(Answer(texts=())), None),
    Fault("promptblock", plays.fixed(200, None, _BLOCKED), "content_filtered", wires=_GEMINI),
    Fault("badchunk", plays.bad_chunk, _WRONG, before_text=True),
    Fault("sseerr", plays.error_mid(plays.usual_error), _BROKEN, _USUAL, before_text=True),
    Fault("sseerrfirst", plays.error_first, "rate_limited", {Wire.OLLAMA: _BROKEN}),
    Fault("sseerrflat", plays.error_mid(plays.flat_error), "provider_unavailable", _FLAT, before_text=True),
    Fault("sseerrstr", plays.error_mid(plays.string_error), _BROKEN, before_text=True),
    Fault("echomid", plays.error_mid(plays.echo_error), _BROKEN, before_text=True),
)

_SILENCES: Final = (
    Fault("nohead", plays.no_head, "provider_timeout", hangs=True),
    Fault("headonly", plays.head_only, "provider_timeout", hangs=True),
    Fault("stall", plays.stall, "stream_stalled", before_text=True, hangs=True),
    Fault("pings", plays.pings, "provider_timeout", hangs=True),
    Fault("pingsmid", plays.pings_mid, "stream_stalled", before_text=True, hangs=True),
)

FAULTS: Final[tuple[Fault, ...]] = _STATUSES + _SUCCESSES_THAT_ARE_NONE + _STREAMS_THAT_BREAK + _SILENCES

BY_NAME: Final[Mapping[str, Fault]] = {fault.name: fault for fault in FAULTS}


def redirect(location: str, number: int = 307) -> Fault:
    """A redirect to `location`, which may be on another upstream."""
    return Fault("redirect", plays.redirect(location, number), _WRONG)


def slow_head(seconds: float) -> Fault:
    """A good answer whose head takes `seconds`."""
    return Fault("slowhead", plays.answering(Answer(head_delay=seconds)), None)
