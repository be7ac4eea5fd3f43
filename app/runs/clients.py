"""The ways to a model, each through the clients that it wants before the lanes."""

from dataclasses import dataclass

from app.db.session import Database
from app.providers.circuit import CircuitPolicy, Circuits
from app.providers.circuit_client import CircuitClient
from app.providers.families import Families
from app.providers.model import ModelClient
from app.runs.wire_memory import WireMemory


@dataclass(frozen=True, slots=True)
class Clients:
    """Share what they know of wires; own nothing."""

    families: Families
    """For answers."""
    insistent: Families
    """Asks who fails again and again too: for who wants to know why."""
    circuits: Circuits


def make_clients(client: ModelClient, database: Database, *, circuit_failures: int) -> Clients:
    """Put them before `client`; `circuit_failures` in a row open a circuit."""
    memory, circuits = WireMemory(database), Circuits(CircuitPolicy(failures=circuit_failures))
    return Clients(Families(CircuitClient(client, circuits), memory), Families(client, memory), circuits)
