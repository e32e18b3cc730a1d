"""The client for outside servers over real sockets: TLS is verified by name, and nobody holds it by dripping."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from common.http import OutsideClient, OutsideError

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for `name` and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        built.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


@contextlib.contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Hands every connection to `handle` on a thread; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with contextlib.suppress(OSError), connection:
                    handle(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    pem = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(4096)
            secured.sendall(ANSWER)

    with serving(handle) as port:
        yield port, pem


def fetch(url: str, **options: Any) -> Any:
    with OutsideClient(wait=lambda _: None, allow_private=True, tries=1, **options) as client:
        return client.get_json(url)


def failure(url: str, **options: Any) -> str:
    with pytest.raises(OutsideError) as caught:
        fetch(url, **options)
    return caught.value.code


def test_a_certificate_of_the_name_is_good(tls_server: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    port, pem = tls_server
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    assert fetch(f"https://localhost:{port}/") == {}


@pytest.mark.fault("F17", "a certificate of another name", expected="refused as `tls`")
def test_a_certificate_of_another_name_is_not(tls_server: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to a judged address, the certificate still has to be of the name that was asked for."""
    port, pem = tls_server
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    assert failure(f"https://127.0.0.1:{port}/") == "tls"


@pytest.mark.fault("F17", "a certificate that nobody vouches for", expected="refused as `tls`")
def test_a_certificate_nobody_vouches_for_is_not(tls_server: tuple[int, Path]) -> None:
    assert failure(f"https://localhost:{tls_server[0]}/") == "tls"


@pytest.mark.parametrize("at_once", [b"HTTP/1.1 200 OK\r\nX-Pad: ", ANSWER.replace(b": 2", b": 1000")[:-2]])
@pytest.mark.fault("F9", "header or body one byte at a time", expected="left as `timeout` when the budget is spent")
def test_a_server_that_drips_is_left_at_the_end_of_the_budget(at_once: bytes) -> None:
    done = threading.Event()

    def handle(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(at_once)
        while not done.wait(0.02):
            connection.sendall(b" ")

    with serving(handle) as port:
        try:
            assert failure(f"http://127.0.0.1:{port}/", budget_s=0.3, read_s=5) == "timeout"
        finally:
            done.set()
