"""`[mcp.<id>]` of the operator's TOML file: one table for each MCP server."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Seconds = Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]


class McpTable(BaseModel):
    """None leaves what a server of that id has anyway; only `voyage` is one that is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$", max_length=2000)] | None = None
    """Exact: Voyage's has no slash at its end, and no redirect to another origin is followed."""
    label: Name | None = None
    auth: Literal["none", "voyage_token", "header"] = "none"
    """Nobody, the caller's own token from Voyage, or one value of the operator's for all."""
    header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")] = "Authorization"
    value_env: Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,100}$")] | None = None
    """The variable that has the header's value; the file is no place for it."""
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,30}$")] = ""
    read_only: Annotated[list[Name], Field(max_length=200)] = []
    mode: Literal["legacy", "auto"] = "legacy"
    connect_s: Seconds = 5.0
    list_s: Seconds = 10.0
    keep_list_s: Seconds = 60.0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.auth == "header") != (self.value_env is not None):
            message = 'auth = "header" and value_env go together'
            raise ValueError(message)
        return self
