"""Connections to the outside that cannot be talked into the inside.

The address is judged where it is used: the name is resolved once, every address it stands for must be public,
and the connection goes to the very address that was judged. So neither a name that points inwards, nor one
that answers differently the second time, nor any spelling of a number gets through.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefusedError(Exception):
    """The host stands for an address that is not public."""


def is_public(address: Address) -> bool:
    """False for loopback, private, link-local (cloud metadata), shared, reserved and multicast addresses,
    also when they come inside IPv6 (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo:
            inner = address.teredo[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(host: str, port: int) -> list[str]:
    """The addresses of `host`, in the resolver's order. Raises httpcore.ConnectError for an unknown name."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("name not resolved") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def public_addresses(host: str, port: int) -> list[str]:
    """As `resolve`; raises AddressRefusedError when any of the addresses is not public."""
    addresses = resolve(host, port)
    if not all(is_public(ipaddress.ip_address(address.partition("%")[0])) for address in addresses):
        raise AddressRefusedError(host)
    return addresses


class _BoundedStream(httpcore.NetworkStream):
    """A connection whose every step also ends at the deadline: a server that drips bytes cannot hold a
    run."""

    def __init__(self, stream: httpcore.NetworkStream, remaining_s: Callable[[], float]) -> None:
        self._stream = stream
        self._remaining_s = remaining_s

    def _bounded(self, timeout: float | None) -> float:
        left = self._remaining_s()
        if left <= 0:
            raise httpcore.ReadTimeout("time budget used up")
        return left if timeout is None else min(timeout, left)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._bounded(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._bounded(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._bounded(timeout))
        return _BoundedStream(secured, self._remaining_s)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _GuardedBackend(httpcore.NetworkBackend):
    def __init__(self, *, allow_private: bool, remaining_s: Callable[[], float]) -> None:
        self._backend = httpcore.SyncBackend()
        self._addresses = resolve if allow_private else public_addresses
        self._remaining_s = remaining_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses(host, port):
            left = self._remaining_s()
            if left <= 0:
                raise httpcore.ConnectTimeout("time budget used up")
            limit = left if timeout is None else min(timeout, left)
            try:
                stream = self._backend.connect_tcp(address, port, limit, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _BoundedStream(stream, self._remaining_s)
        raise failure

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class GuardedTransport(httpx.HTTPTransport):
    """httpx' transport over guarded connections. Proxies of the environment are not used: the address would
    be judged by the proxy, not here. SSL_CERT_FILE and SSL_CERT_DIR count."""

    def __init__(self, *, allow_private: bool, remaining_s: Callable[[], float]) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context)
        # httpx has no argument for the network backend, so its pool is replaced by the same pool with one.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=4,
            keepalive_expiry=5.0,
            network_backend=_GuardedBackend(allow_private=allow_private, remaining_s=remaining_s),
        )
