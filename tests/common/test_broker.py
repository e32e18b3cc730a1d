"""A worker's connection to its queue: Redis is lost while a message is at work, all as Celery's worker does it; and
messages in files are whole when they are seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, Consumer, Message, Producer, Queue
from kombu.asynchronous import Hub
from kombu.common import ignore_errors
from kombu.log import get_logger
from kombu.transport import filesystem
from kombu.transport.redis import Transport as StockTransport

from config import broker
from config.broker import FileTransport, Transport
from tests.common.redis_server import RedisServer, running_redis

URLS = {
    "redis": "redis://localhost",
    "rediss": "rediss://localhost",
    "sentinel": "sentinel://localhost:26379",
    "filesystem": "filesystem://localhost",
}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


def at_work(server: RedisServer, transport: type[StockTransport]) -> tuple[Connection, Message]:
    """Holds one message and waits for the next; another channel, as that for control commands, waits too."""
    connection, hub, held = Connection(server.url, transport=transport), Hub(), list[Message]()
    work, control = connection.default_channel, connection.channel()
    with Producer(work) as producer:
        producer.publish("a job", routing_key="work", declare=[Queue("work")])
    connection.register_with_event_loop(hub)
    for channel, queue in ((work, "work"), (control, "control")):
        Consumer(channel, [Queue(queue)], on_message=held.append).consume()
    for _ in hub.create_loop():
        if held and work._in_poll and control._in_poll:
            return connection, held[0]
    raise AssertionError("the loop ended")


def lose(connection: Connection) -> None:
    """`celery.worker.consumer.Consumer.on_connection_error_after_connected`."""
    connection.collect(socket_timeout=1)
    ignore_errors(connection, connection.close)


@pytest.mark.redis
def test_a_worker_lets_go_of_what_it_holds(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    connection, message = at_work(server, Transport)
    server.stop()
    lose(connection)
    message.ack_log_error(get_logger("worker"), connection.connection_errors)
    assert "Couldn't ack" in caplog.text


@pytest.mark.redis
def test_without_the_mending_it_would_end(server: RedisServer) -> None:
    connection, message = at_work(server, StockTransport)
    server.stop()
    with pytest.raises(AttributeError, match="hostname"):
        lose(connection)
    with pytest.raises(AttributeError, match="hostname"):
        message.ack_log_error(get_logger("worker"), connection.connection_errors)


@pytest.mark.parametrize("scheme", URLS)
def test_the_project_uses_it(scheme: str) -> None:
    transport = Connection(URLS[scheme]).get_transport_cls()
    assert transport.__module__ == "config.broker"
    assert transport.Channel.__module__ == "config.broker"


def put_into_files(folder: Path, transport: type[filesystem.Transport]) -> None:
    options = {"data_folder_in": str(folder), "data_folder_out": str(folder), "control_folder": str(folder / "control")}
    with Connection("filesystem://localhost", transport=transport, transport_options=options) as connection:
        connection.SimpleQueue(folder.name).put("a job")  # Kombu remembers in the process which queues it has made.


def visible(folder: Path) -> list[str]:
    """What a worker would take at this moment."""
    return [file.read_text() for file in sorted(folder.glob("*.msg"))]


def test_a_message_in_a_file_is_whole_when_it_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[list[str]] = []

    def replace(unfinished: Path, whole: Path) -> None:
        before.append(visible(tmp_path))
        unfinished.rename(whole)

    monkeypatch.setattr(broker.os, "replace", replace)
    put_into_files(tmp_path, FileTransport)
    assert before == [[]]
    (text,) = visible(tmp_path)
    assert json.loads(text)["content-encoding"] == "utf-8"


def test_without_the_mending_it_is_empty_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(filesystem, "lock", lambda *_: seen.append(visible(tmp_path)))
    put_into_files(tmp_path, filesystem.Transport)
    assert [""] in seen


def test_an_exchange_that_is_being_written_down_has_no_listeners_yet(tmp_path: Path) -> None:
    options = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path), "control_folder": str(tmp_path)}
    (tmp_path / "news.exchange").touch()
    with Connection("filesystem://localhost", transport=FileTransport, transport_options=options) as connection:
        assert connection.default_channel.get_table("news") == []
