"""A scripted LLM provider on loopback, for tests: see `Upstream`."""

from tests.upstream.answer import Answer, Call
from tests.upstream.exchange import Exchange
from tests.upstream.fault import Fault
from tests.upstream.faults import BY_NAME, FAULTS, redirect, slow_head
from tests.upstream.recorded import Recorded
from tests.upstream.server import Script, Upstream, refused_port, tls_upstream

__all__ = [
    "BY_NAME",
    "FAULTS",
    "Answer",
    "Call",
    "Exchange",
    "Fault",
    "Recorded",
    "Script",
    "Upstream",
    "redirect",
    "refused_port",
    "slow_head",
    "tls_upstream",
]
