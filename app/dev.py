"""`llm-gateway dev`: the whole gateway with a demo model, on this machine and with nothing to set up."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from app.demo.server import serving_demo
from app.errors import ConfigError, StorageUnavailable
from app.log import configure
from app.main import create_app, vault_of
from app.serve import GatewayServer, leave, listen, loop_factory
from app.settings import Settings, load_settings
from app.upgrade import upgrade_database
from app.vault import generate_key

DIRECTORY: Final = Path(".dev")
_HOSTS: Final = ("127.0.0.1", "localhost", "::1")
_KEYS: Final = ("GATEWAY_CREDENTIAL_KEYS", "GATEWAY_CREDENTIAL_KEYS_FILE", "FIELD_ENCRYPTION_KEY")
_READY: Final = (
    "\nThe gateway listens on {url}; Ctrl-C ends it. Paste these lines into another shell, one after another:\n\n"
    '  ID=$(curl -s -X POST {url}/api/chat/conversations/ | sed \'s/.*"id":"\\([^"]*\\)".*/\\1/\')\n'
    "  curl -sN {url}/api/chat/conversations/$ID/send_message/ -H 'content-type: application/json'"
    """ -d '{{"message": "A day in Lisbon, please"}}'\n"""
    "  curl -s {url}/api/chat/providers/\n\n"
    "Every call, with a form to try it: {url}/docs\n"
    "The demo model can also fail, stall, think and call tools: send it the message “help”.\n"
)


_BROKEN: Final = "{path} cannot be used. Delete .dev/ to begin anew; the conversations and keys in it are lost then."


def dev(environ: Mapping[str, str] | None = None) -> None:
    """Serve on loopback until Ctrl-C, with a database and a key in `.dev/`; `environ` wins over what this sets.

    Raises `ConfigError` for a host that is not loopback, because dev lets every caller in, and for a taken port.
    """
    settings = _settings(os.environ if environ is None else environ)
    configure(settings.log_level, settings.log_format)
    with contextlib.closing(listen(settings)) as listener:
        _upgrade(settings)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(settings, listener))
            leave()


async def _serve(settings: Settings, listener: socket.socket) -> None:
    def announce() -> None:
        click.echo(_READY.format(url=_url(settings.host, listener.getsockname()[1])))

    async with serving_demo() as demo_base_url:
        app = create_app(settings, demo_base_url=demo_base_url)
        await GatewayServer(app, settings, on_ready=announce).serve(sockets=[listener])


def _settings(environ: Mapping[str, str]) -> Settings:
    defaults: dict[str, tuple[str, Any]] = {
        "database_url": ("GATEWAY_DATABASE_URL", f"sqlite:///{DIRECTORY}/gateway.db"),
        "voyage_ai_provider": ("VOYAGE_AI_PROVIDER", "demo"),
        "log_format": ("GATEWAY_LOG_FORMAT", "console"),
        "log_level": ("GATEWAY_LOG_LEVEL", "WARNING"),
        # Ctrl-C means now; in production the answers get time to end.
        "shutdown_grace_seconds": ("GATEWAY_SHUTDOWN_GRACE_SECONDS", 0.0),
    }
    chosen = {name: value for name, (variable, value) in defaults.items() if not environ.get(variable)}
    settings = load_settings(environ, **chosen, dev=True)
    if settings.host not in _HOSTS:
        message = (
            f"GATEWAY_HOST: dev lets every caller in, so it listens on {' or '.join(_HOSTS)} only; else use serve."
        )
        raise ConfigError(message)
    try:
        DIRECTORY.mkdir(mode=0o700, exist_ok=True)
        if any(environ.get(variable) for variable in _KEYS):
            return settings
        key_file = _key_file()
    except OSError as failure:
        message = f"{DIRECTORY}/ cannot be written ({(failure.strerror or 'failed').lower()}): make room for it here."
        raise ConfigError(message) from None
    try:
        settings = load_settings(environ, **chosen, dev=True, credential_keys_file=key_file)
        vault_of(settings)
    except ConfigError:
        raise ConfigError(_BROKEN.format(path=key_file)) from None
    return settings


def _upgrade(settings: Settings) -> None:
    try:
        upgrade_database(settings)
    except (StorageUnavailable, ConfigError):
        if str(DIRECTORY) not in settings.database_url:
            raise
        raise ConfigError(_BROKEN.format(path=DIRECTORY / "gateway.db")) from None


def _key_file() -> Path:
    """Give the file with this directory's own key, made at the first start and readable by its owner only."""
    path = DIRECTORY / "credential.key"
    if path.exists():
        return path
    # Written aside and then named: a full disk leaves no empty key file behind.
    descriptor, aside = tempfile.mkstemp(dir=DIRECTORY)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{generate_key()}\n")
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        Path(aside).unlink()
    return path


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
