"""The way to a provider below HTTP: the address of its name, a connection, and its certificate."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, final

from app.doctor.certificate import certificate_error
from app.errors import GatewayError, Origin, ProviderTimeout, ProviderUnreachable, TlsError

LOOKUPS: Final = 8
"""Lookups at once; one whose name server is silent keeps its thread for as long as the system tries."""
ADDRESSES: Final = 4
"""How many addresses of one name are tried."""
_FIREWALL: Final = "Check the port in the base URL, and whether a firewall lets this machine connect to it."

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a name; raises `OSError` for one that has none."""


@final
class Network:
    """Looks names up and opens connections, which it closes at once."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup | None = None,
        permit: Callable[[str, Origin], None] | None = None,
    ) -> None:
        """Take `tls` as the trust store, the system's by default, as the transport does.

        `permit` is asked before each connection and raises a `GatewayError` for an address that must not be used.
        """
        self._tls = tls
        self._lookup = lookup or Names().lookup
        self._permit = permit or _anything

    def unguarded(self) -> "Network":
        """Give the same for addresses that the operator has set: nothing is asked before a connection."""
        return Network(tls=self._tls, lookup=self._lookup)

    async def addresses(self, host: str, port: int, origin: Origin, *, seconds: float) -> tuple[str, ...]:
        """Give the addresses of `host`, each once; raises `ProviderTimeout` or `ProviderUnreachable`."""
        try:
            async with asyncio.timeout(seconds):
                found = await self._lookup(host, port)
        except TimeoutError:
            message = f"No name server has answered for the host of {origin.label} in {seconds:g} s."
            remedy = "Check the name server of this machine (/etc/resolv.conf) and the firewall in front of it."
            raise ProviderTimeout(message, origin=origin, action=remedy) from None
        except OSError:
            found = ()
        if not found:
            message = f"{origin.label} cannot be reached: its host name has no address."
            remedy = "Check the spelling of the host in the base URL, and the name server of this machine."
            raise ProviderUnreachable(message, origin=origin, action=remedy)
        return tuple(dict.fromkeys(found))

    async def connect(self, addresses: Sequence[str], port: int, origin: Origin, *, seconds: float) -> str:
        """Give the first address that takes a connection within its share of `seconds`.

        Raises `ProviderTimeout` or `ProviderUnreachable`.
        """
        failures: list[OSError] = []
        tried = addresses[:ADDRESSES]
        for address in tried:
            self._permit(address, origin)
            try:
                async with asyncio.timeout(seconds / len(tried)):
                    _, writer = await asyncio.open_connection(address, port)
            except OSError as failure:
                failures.append(failure)
            else:
                writer.transport.abort()
                return address
        raise _no_connection(failures, port, origin, seconds)

    async def shake_hands(self, address: str, host: str, port: int, origin: Origin, *, seconds: float) -> str:
        """Begin TLS and give its version; raises `TlsError`, `ProviderTimeout` or `ProviderUnreachable`."""
        context = self._tls or await asyncio.to_thread(ssl.create_default_context)  # 30 ms of CPU
        self._permit(address, origin)
        try:
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=host, ssl_handshake_timeout=2 * seconds
                )
        except OSError as failure:
            raise _no_tls(failure, origin, seconds) from None
        version = str(writer.get_extra_info("ssl_object").version())
        writer.transport.abort()
        return version


class Names:
    """The system's resolver in threads that are bounded in number and never hold up the end of the process."""

    def __init__(self, at_once: int = LOOKUPS) -> None:
        """Look up at most so many names at once."""
        self._free = threading.Semaphore(at_once)

    async def lookup(self, host: str, port: int) -> Sequence[str]:
        """See `Lookup`; raises `TimeoutError` where too many names are still looked up, or no thread can be had."""
        if not self._free.acquire(blocking=False):
            raise TimeoutError
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Sequence[str]] = loop.create_future()

        def tell(found: Sequence[str] | OSError) -> None:
            if done.done():
                return
            if isinstance(found, OSError):
                done.set_exception(found)
            else:
                done.set_result(found)

        def run() -> None:
            found: Sequence[str] | OSError
            try:
                rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found = [str(row[4][0]) for row in rows]
            except (OSError, UnicodeError) as failure:
                found = failure if isinstance(failure, OSError) else OSError()
            finally:
                self._free.release()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell, found)

        try:
            threading.Thread(target=run, name="doctor: look a name up", daemon=True).start()
        except RuntimeError:  # the system gives no more threads; `run`, which frees the place, never begins
            self._free.release()
            raise TimeoutError from None
        return await done


def _anything(_address: str, _origin: Origin) -> None:
    """Let every address pass."""


def _no_connection(failures: Sequence[OSError], port: int, origin: Origin, seconds: float) -> GatewayError:
    if any(isinstance(failure, ConnectionRefusedError) for failure in failures):
        message = f"{origin.label} cannot be reached: the connection was refused, so nothing listens on port {port}."
        remedy = "Start the service, or correct the host and the port of the base URL."
        return ProviderUnreachable(message, origin=origin, action=remedy)
    if any(isinstance(failure, TimeoutError) for failure in failures):
        message = f"{origin.label} could not be connected to in {seconds:g} s: nothing answers on port {port}."
        return ProviderTimeout(message, origin=origin, action=_FIREWALL)
    message = f"{origin.label} cannot be reached: the connection failed."
    return ProviderUnreachable(message, origin=origin, action=_FIREWALL)


def _no_tls(failure: OSError, origin: Origin, seconds: float) -> GatewayError:
    match failure:
        case ssl.SSLCertVerificationError():
            return certificate_error(failure, origin)
        case ssl.SSLError() if failure.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
            message = f"{origin.label} does not speak TLS on this port."
            remedy = "Correct the port, or write http:// in the base URL if the service is meant to be unencrypted."
            return TlsError(message, origin=origin, action=remedy)
        case ssl.SSLError():
            message = f"The TLS handshake with {origin.label} failed."
            remedy = "Check whether a proxy is in between, and which TLS versions the service offers."
            return TlsError(message, origin=origin, action=remedy)
        case TimeoutError():
            message = f"{origin.label} took the connection, and did not answer the TLS handshake in {seconds:g} s."
            remedy = "Check whether the port is the service's own, and what is in between."
            return ProviderTimeout(message, origin=origin, action=remedy)
        case _:
            message = f"{origin.label} closed the connection during the TLS handshake."
            return ProviderUnreachable(message, origin=origin, action=_FIREWALL)
