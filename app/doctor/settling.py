"""What a real answer, or its refusal, says about the steps before it: it outranks what the list let guess."""

from typing import Final

from app.doctor.case import Case
from app.doctor.report import Finding, StepName, Verdict, failed, passed, warned
from app.doctor.sheet import Sheet
from app.errors import (
    ContentFiltered,
    CredentialError,
    EndpointMismatch,
    GatewayError,
    ModelNotFound,
    PolicyError,
    RateLimited,
)

_UNSETTLED: Final = frozenset({Verdict.SKIP, Verdict.WARN})


def settle_served(sheet: Sheet, case: Case) -> None:
    """Take back what a model that answers disproves."""
    sheet.note(StepName.WIRE, passed(f"{case.model} is served on {case.wire.value}."))
    auth = sheet.finding(StepName.AUTH)
    if case.key.secret is not None and auth is not None and auth.verdict in _UNSETTLED:
        sheet.note(StepName.AUTH, passed(f"{case.provider.label} took the key for a real call."))
    model, http = sheet.finding(StepName.MODEL), sheet.finding(StepName.HTTP)
    if model is not None and model.verdict is not Verdict.PASS:
        sheet.note(StepName.MODEL, _listed_or_not(case, model))
    if http is not None and http.verdict is Verdict.FAIL:
        sheet.note(StepName.HTTP, warned(f"{http.cause} Messages get through all the same.", http.remedy))


def settle_refused(sheet: Sheet, case: Case, error: GatewayError) -> None:
    """Name the step that the refusal is about, so that it is the first to be mended."""
    if isinstance(error, CredentialError | PolicyError) and not isinstance(error, RateLimited | ContentFiltered):
        sheet.note(StepName.AUTH, failed(error))
    elif isinstance(error, ModelNotFound) and not _listed(sheet):
        sheet.note(StepName.MODEL, failed(error))
    elif isinstance(error, EndpointMismatch):
        sheet.note(StepName.WIRE, failed(error))
    elif isinstance(error, ModelNotFound):
        sheet.note(
            StepName.WIRE, failed(error, cause=f"{case.model} is in the list, and refused on {case.wire.value}.")
        )


def _listed(sheet: Sheet) -> bool:
    found = sheet.finding(StepName.MODEL)
    return found is not None and found.verdict is Verdict.PASS


def _listed_or_not(case: Case, found: Finding) -> Finding:
    if found.verdict is not Verdict.FAIL:
        return passed(f"{case.model} answers, and the list does not rule it out.")
    cause = f"{found.cause} It answers all the same, but messages to it are refused while that list is fresh."
    remedy = f"Name it as default_model in [providers.{case.provider.id}] of the configuration file, or choose another."
    return warned(cause, remedy)
