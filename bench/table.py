"""The figures as lines for a person."""

from collections.abc import Iterator, Sequence
from typing import Final

from bench.figures import Figures, Spread
from bench.rounds import Round
from bench.summary import Summary

_ROW: Final = "{:<19}{:>11}{:>16}{:>16}{:>10}{:>7}{:>7}{:>16}{:>7}{:>8}{:>9}"
_HEAD: Final = (
    "",
    "delivered",
    "first token ms",
    "transit ms",
    "us/chunk",
    "cores",
    "MiB",
    "loop lag ms",
    "load",
    "others",
    "streams",
)


def lines_of(rounds: Sequence[Round], summary: Summary) -> Iterator[str]:
    """Give one line for each load, then what the gateway adds; pairs are p50 and p99."""
    yield head()
    for number, each in enumerate(rounds, start=1):
        for side, figures in each.sides.items():
            yield line(f"{side} {number}", figures, each.lag if side == "gateway" else None)
    yield ""
    yield f"delivered          {summary.delivered_percent:.1f} % of direct"
    yield f"added first token  {_pair(summary.added_first_token)} ms"
    if summary.bare_first_token is not None:
        yield f"bare first token   {_pair(summary.bare_first_token)} ms"
    yield f"added transit      {_pair(summary.added_transit)} ms"
    bare = "" if summary.times_bare is None else f", {summary.times_bare:.2f} x bare"
    yield f"CPU for a chunk    {summary.us_per_chunk:.1f} us, {summary.times_direct:.1f} x direct{bare}"
    yield f"loop lag           {_pair(summary.loop_lag)} ms"
    yield f"resident           {summary.mib:.0f} MiB"
    if summary.refusals:
        yield f"refused            {summary.refusals} times, after {_pair(summary.refused_after)} ms"
    yield f"fdatasync here     {summary.sync_ms:.2f} ms"
    for number, each in enumerate(rounds, start=1):
        for side, figures in each.sides.items():
            yield from broken(f"{side} {number}", figures)


def head() -> str:
    """Give the names of the columns."""
    return _ROW.format(*_HEAD).rstrip()


def broken(name: str, figures: Figures) -> Iterator[str]:
    """Give a line for each kind of error."""
    for what, times in figures.errors.items():
        yield f"BROKEN             {name}: {what}, {times} times"


def line(name: str, figures: Figures, lag: Spread | None = None) -> str:
    """Give one load; pairs are p50 and p99."""
    return _ROW.format(
        name,
        f"{100 * figures.delivered_share:.1f} %",
        _pair(figures.first_token),
        _pair(figures.transit),
        f"{figures.server_us_per_chunk:.1f}",
        f"{figures.server_cores:.2f}",
        f"{figures.server_mib:.0f}",
        _pair(lag) if lag is not None else "",
        f"{figures.load_cores:.2f}",
        f"{figures.other_cores:.2f}",
        figures.streams,
    )


def _pair(spread: Spread) -> str:
    return f"{spread.p50:.2f} / {spread.p99:.2f}"
