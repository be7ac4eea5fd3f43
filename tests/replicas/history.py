"""The history checker: what clients saw while things went wrong, held against what the gateway keeps afterwards."""

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx
from typing_extensions import override

from tests.replicas.kept import Kept, ask
from tests.replicas.recorder import Recorder
from tests.replicas.verdict import Figures, judge

__all__ = ["Figures", "HistoryBroken", "Recorder", "check_history"]

_AT_ONCE: Final = 20
_SHOWN: Final = 40


class HistoryBroken(AssertionError):
    """Some event, text, message or end is not what it must be."""

    def __init__(self, findings: Sequence[str], figures: Figures) -> None:
        super().__init__(findings, figures)
        self.findings = findings
        self.figures = figures

    @override
    def __str__(self) -> str:
        shown = "\n".join(self.findings[:_SHOWN])
        return f"{len(self.findings)} findings; {self.figures}\n{shown}"


async def check_history(
    recorders: Sequence[Recorder], http: httpx.AsyncClient, *, seconds: float = 30.0, probe: bool = True
) -> Figures:
    """Replay every run of every conversation through `http` and give the figures; raises `HistoryBroken`.

    `seconds` is what a run has to be over, from when it is asked for: more than a lease, after a crash. `probe` sends
    one more message to each conversation, to see that none stays busy; the upstream must still be there.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def asked(recorder: Recorder) -> Kept:
        async with turns:
            return await ask(recorder, http, seconds=seconds, probe=probe)

    kept = await asyncio.gather(*map(asked, recorders))
    figures = Figures()
    findings = [text for pair in zip(recorders, kept, strict=True) for text in judge(*pair, figures)]
    if findings:
        raise HistoryBroken(findings, figures)
    return figures
