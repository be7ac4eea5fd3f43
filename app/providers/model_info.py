"""What is known about a model, and about a provider's list of its models; None is always "not known"."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class ModelStatus(StrEnum):
    """Whether a model still answers."""

    AVAILABLE = "available"
    DEPRECATED = "deprecated"
    """It answers, and its provider has said that it will not for long."""
    RETIRED = "retired"


class ModelSource(StrEnum):
    """Who says so."""

    LIVE = "live"
    """The provider's own list, as it was told to this key."""
    SNAPSHOT = "snapshot"
    """The facts that come with the gateway."""
    CONFIGURED = "configured"
    """The row of the provider, in the catalogue or in the operator's file: nobody is asked."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens."""

    input: float
    output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One model."""

    id: str
    label: str | None = None
    context_tokens: int | None = None
    """What it reads at most, its answer included where the provider counts so."""
    max_output_tokens: int | None = None
    tools: bool | None = None
    price: Price | None = None
    status: ModelStatus | None = None
    source: ModelSource = ModelSource.UNKNOWN

    @property
    def takes_tools(self) -> bool:
        """Whether tools may be offered; what nobody has denied is tried."""
        return self.tools is not False

    def over(self, other: "ModelInfo | None") -> "ModelInfo":
        """Give this with what it does not know taken from `other`.

        A deprecated model stays in its provider's list, so being listed does not contradict it; being retired does.
        """
        if other is None:
            return self
        deprecated = other.status is ModelStatus.DEPRECATED and self.status is ModelStatus.AVAILABLE
        return replace(
            self,
            label=self.label or other.label,
            context_tokens=self.context_tokens or other.context_tokens,
            max_output_tokens=self.max_output_tokens or other.max_output_tokens,
            tools=other.tools if self.tools is None else self.tools,
            price=self.price or other.price,
            status=other.status if deprecated or self.status is None else self.status,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelList:
    """What a provider's list says."""

    models: Mapping[str, ModelInfo]
    """Those to talk to, by id, sorted; each id resolves to itself."""
    named: frozenset[str]
    """Every id and alias in the list, those of models for other purposes too; in lower case."""
    whole: bool = True
    """False where it was cut at a bound, so that a model that is not in it may exist."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids to talk to, sorted."""
        return tuple(self.models)
