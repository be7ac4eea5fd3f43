"""What a real answer, or its refusal, says about the steps before it: it outranks what the list let guess."""

from typing import Final

from app.doctor.case import Case
from app.doctor.report import Finding, StepName, Verdict, failed, passed, warned
from app.doctor.sheet import Sheet
from app.errors import ContentFiltered, CredentialError, GatewayError, ModelNotFound, PolicyError, RateLimited

_UNSETTLED: Final = frozenset({Verdict.SKIP, Verdict.WARN})


def settle_served(sheet: Sheet, case: Case) -> None:
    """Take back what a model that answers disproves."""
    sheet.note(StepName.WIRE, passed(f"{case.model} is served on {case.wire.value}."))
    auth = sheet.finding(StepName.AUTH)
    if case.key.secret is not None and auth is not None and auth.verdict in _UNSETTLED:
        sheet.note(StepName.AUTH, passed(f"{case.provider.label} took the key for a real call."))
    for name in (StepName.MODEL, StepName.HTTP):
        found = sheet.finding(name)
        if found is not None and found.verdict is Verdict.FAIL:
            sheet.note(name, _in_spite(found))


def settle_refused(sheet: Sheet, case: Case, error: GatewayError) -> None:
    """Name the step that the refusal is about, so that it is the first to be mended."""
    if isinstance(error, CredentialError | PolicyError) and not isinstance(error, RateLimited | ContentFiltered):
        sheet.note(StepName.AUTH, failed(error))
    elif isinstance(error, ModelNotFound) and not _listed(sheet):
        sheet.note(StepName.MODEL, failed(error))
    elif isinstance(error, ModelNotFound):
        sheet.note(
            StepName.WIRE, failed(error, cause=f"{case.model} is in the list, and refused on {case.wire.value}.")
        )


def _listed(sheet: Sheet) -> bool:
    found = sheet.finding(StepName.MODEL)
    return found is not None and found.verdict is Verdict.PASS


def _in_spite(found: Finding) -> Finding:
    return warned(f"{found.cause} Messages get through all the same.", found.remedy)
