"""What the answer to the free request says of the API, the clocks, the key and the model."""

from datetime import UTC, datetime
from typing import Final

from app.doctor.case import Case
from app.doctor.listing import Listed, ask_list, find_base, speaks
from app.doctor.report import Finding, failed, passed, skipped, warned
from app.doctor.witness import Head
from app.errors import (
    AuthenticationFailed,
    GatewayError,
    ModelNotFound,
    PermissionDenied,
    PolicyError,
    ProviderRetired,
    RateLimited,
)
from app.providers import family
from app.providers.model_lookup import is_operators
from app.providers.provider import Wire
from app.providers.transport import Sender
from app.providers.unlisted import SUGGESTIONS, is_unlisted, similar

MAX_SKEW_S: Final = 300.0
"""Signatures and certificates of most services allow for five minutes."""
ASK_IT: Final = "Diagnose again with tokens (`--spend`, or `spend` in the body): a real call tells."
_CLIENT_ERRORS: Final = range(400, 500)
_ABOUT_THE_ACCOUNT: Final = (AuthenticationFailed, PermissionDenied, PolicyError, ProviderRetired)


async def http_finding(sender: Sender, case: Case, base: str, listed: Listed) -> Finding:
    """Tell whether this API answers at the base URL, and where it answers instead."""
    error, head = listed.error, listed.head
    if error is None:
        return passed(f"{case.provider.label} answers with its list of {len(listed.found.models)} models.")
    if head is None:
        return failed(error)
    if listed.no_api:
        if await speaks(sender, case, base):
            return passed(f"{case.provider.label} answers, and has no list of models ({head.status}).")
        return _elsewhere(case, error, head, await find_base(sender, case, base))
    return _refused(case, error, head)


def _redirected(case: Case, error: GatewayError, head: Head) -> Finding:
    target = head.points_to or "another place"
    cause = f"{case.provider.label} redirects ({head.status}) to {case.address(target, 'another place')}."
    remedy = (
        f"Redirects are never followed, as the key would go with them: if that is the provider's, set api_base to"
        f" {case.address(target, 'it')}."
    )
    return failed(error, cause=cause, remedy=remedy)


def nowhere(case: Case, listed: Listed) -> Finding:
    """Say that this is not the API, where the time to look for the right base URL has run out."""
    if listed.error is None or listed.head is None:
        return skipped("There was nothing to look for.")
    return _elsewhere(case, listed.error, listed.head, None)


def _elsewhere(case: Case, error: GatewayError, head: Head, other: str | None) -> Finding:
    label, what = case.provider.label, "an HTML page" if head.html else "something that is no answer of this API"
    cause = f"{label} answers with {what} (status {head.status}): the base URL is wrong, or a proxy is in between."
    if other is None:
        return failed(error, cause=cause, remedy="Correct api_base: it ends before /models and /chat/completions.")
    shown = case.address(other, "the one with another version segment")
    return failed(error, cause=f"{cause} At {shown} the API answers.", remedy=f"Set api_base to {shown}.")


def _refused(case: Case, error: GatewayError, head: Head) -> Finding:
    """Tell a refusal of the provider, which is an answer, from what stands in its place."""
    if head.redirect:
        return _redirected(case, error, head)
    if not head.html:
        answers = head.status in _CLIENT_ERRORS
        return passed(f"{case.provider.label} answers (status {head.status}).") if answers else failed(error)
    cause = (
        f"An HTML page (status {head.status}) came in place of an answer of {case.provider.label}: something in"
        " between, a proxy or a firewall, hides what the provider says."
    )
    remedy = "Ask from this machine with curl, look at who signs the page, and let the gateway pass there."
    return failed(error, cause=cause, remedy=remedy)


def clock_finding(case: Case, head: Head | None, *, now: datetime | None = None) -> Finding:
    """Compare this machine's clock with the provider's."""
    sent = head.sent_at() if head is not None else None
    if sent is None:
        return skipped(f"{case.provider.label} did not say what time it is.")
    off = ((now or datetime.now(UTC)) - sent).total_seconds()
    if abs(off) <= MAX_SKEW_S:
        return passed(f"The clock of this machine and that of {case.provider.label} agree.")
    minutes = round(abs(off) / 60)
    where = "ahead of" if off > 0 else "behind"
    return warned(
        f"The clock of this machine is {minutes} minutes {where} that of {case.provider.label}.",
        "Set the clock of this machine, by NTP: certificates and rate limits go by it.",
    )


async def auth_finding(sender: Sender, case: Case, listed: Listed) -> Finding:
    """Tell whether the provider takes the key, as far as its list tells.

    A list that also comes without a key has told nothing about it.
    """
    label = case.provider.label
    if case.key.error is not None:
        return skipped("There is no usable key to show.")
    if case.key.secret is None:
        return skipped(f"{label} needs no key.")
    if listed.error is not None:
        return _refused_list(case, listed.error)
    without = await ask_list(sender, case, None)
    if isinstance(without.error, AuthenticationFailed | PermissionDenied):
        return passed(f"{label} takes the key, and refuses the list without one.")
    return _unknown(case, "This provider's list does not check the key, so whether it is right is not known.")


def _refused_list(case: Case, error: GatewayError) -> Finding:
    if isinstance(error, _ABOUT_THE_ACCOUNT) and not isinstance(error, RateLimited):
        return failed(error)
    why = error.message if isinstance(error, RateLimited) else f"{case.provider.label} lists nothing to try a key on."
    return _unknown(case, why)


def _unknown(case: Case, cause: str) -> Finding:
    if case.spend:
        return skipped(f"{cause} The stream below tells.")
    return warned(cause, ASK_IT)


def model_finding(case: Case, listed: Listed) -> Finding:
    """Look the model up in the list, which rules it out only where a message would be refused for it."""
    provider, model, found = case.provider, case.model, listed.found
    label = provider.label
    if model is None:
        return skipped(f"No model was named, and {label} has no default.")
    if listed.error is not None or not found.models:
        return skipped(f"{label} gave no list to look {model} up in.")
    if {model.lower(), f"{model.lower()}:latest"} & found.named or model in provider.models:
        return passed(f"{model} is in the list.")
    if not is_unlisted(provider, found, model):
        cause = f"{model} is not in the list of {label} by this name, and may be another one of a model that is."
        return _unknown(case, cause)
    near = similar(found.models.values(), model)
    cause = f"{model} is not in the list of {label}."
    remedy = f"Use one of its models, such as {', '.join(near or found.ids[:SUGGESTIONS])}."
    believed = provider.models_list is not None and provider.lists_all and found.whole
    if not believed or is_operators(provider, model, case.operators):
        return warned(cause, remedy)
    return failed(ModelNotFound(origin=case.origin, did_you_mean=near), cause=cause, remedy=remedy)


def wire_finding(case: Case) -> Finding:
    """Say which wire was chosen, and by what; only a call proves it."""
    if case.route is None:
        return skipped("No model was named.")
    row = case.provider
    by = "the beginning of the model's name" if row.wire_rules else "the provider's row"
    if family.operators_wire(row, case.route.model) is not None:
        by = "the operator's file"
    return skipped(f"Messages go out on {case.wire.value}, chosen by {by}; only a real call proves that.")


def other_wires(case: Case) -> tuple[Wire, ...]:
    """Give the wires on which the model could answer instead, the likely ones first; none where there is one only."""
    row = case.provider
    ruled = tuple(rule.wire for rule in row.wire_rules)
    if not row.gateway and not ruled:
        return ()
    likely = (*ruled, Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, *((Wire.ANTHROPIC_MESSAGES,) if row.gateway else ()))
    return tuple(wire for wire in dict.fromkeys((row.wire, *likely)) if wire is not case.wire)
