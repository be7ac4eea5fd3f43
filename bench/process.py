"""A process of this machine: where it runs and what it has used, out of /proc (Linux)."""

import os
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_IDLE: Final = slice(3, 5)


def pin(cpu: int) -> None:
    """Keep this process on one CPU; call it before there are threads, which inherit it.

    A machine that has not that one leaves the process where it is.
    """
    if cpu in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {cpu})


def cpu_seconds(pid: int) -> float:
    """Give the CPU time of all threads so far, ended ones included."""
    # The name in brackets may hold anything, so the fields count from its end.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mib(pid: int) -> float:
    """Give the memory that the process has in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 2**20


def machine_seconds() -> float:
    """Give the time that all CPUs together were busy or taken away by the host."""
    # user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of user and nice already.
    fields = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return (sum(fields) - sum(fields[_IDLE])) / _TICKS
