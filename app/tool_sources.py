"""The sources of tools that the settings name, and what they may use."""

from contextlib import AsyncExitStack

from app.runs.tools.limits import ToolLimits
from app.settings import Settings
from app.tool_settings import ToolSettings
from app.tools.tool import ToolSource
from app.voyage.client import VoyageClient


def tool_limits_of(settings: ToolSettings) -> ToolLimits:
    """Give the bounds of the tools of a run."""
    return ToolLimits(
        rounds=settings.tool_rounds,
        calls=settings.tool_calls,
        at_once=settings.tools_at_once,
        call_s=settings.tool_call_seconds,
        total_s=settings.tool_total_seconds,
        wait_s=settings.tool_wait_seconds,
        approve_writes=settings.tool_approval == "writes",
        model_chars=settings.tool_result_chars,
    )


async def open_sources(
    settings: Settings, voyage: VoyageClient | None, stack: AsyncExitStack
) -> tuple[ToolSource, ...]:
    """Give every source that is on, closed with `stack`; raises `ConfigError`. Nothing is asked yet.

    Voyage's chat tools are there where Voyage is, those on public services among them.
    """
    servers: tuple[ToolSource, ...] = ()
    if settings.mcp_tables:
        from app.mcp_sources import mcp_sources  # noqa: PLC0415 - not loaded where no server is named

        servers = mcp_sources(settings.mcp_tables, voyage=voyage, voyage_url=settings.voyage_url)
    if voyage is None:
        return servers
    from app.tools.public.tools import PublicAddresses, PublicTools  # noqa: PLC0415 - half a megabyte
    from app.tools.voyage.source import VoyageTools  # noqa: PLC0415 - see above

    addresses = PublicAddresses(
        nominatim=settings.nominatim_url,
        overpass=settings.overpass_url,
        osm_interval_s=settings.osm_interval_seconds,
        forecast=settings.weather_url,
        archive=settings.weather_archive_url,
        searxng=settings.searxng_url,
        contact=settings.public_contact,
    )
    public = await stack.enter_async_context(PublicTools(addresses, voyage))
    return (VoyageTools(voyage, public.rows), *servers)
