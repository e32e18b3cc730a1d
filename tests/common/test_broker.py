"""A worker's connection to its queue, when Redis is lost while a message is at work; all as Celery's worker does it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kombu import Connection, Consumer, Message, Producer, Queue
from kombu.asynchronous import Hub
from kombu.common import ignore_errors
from kombu.log import get_logger
from kombu.transport.redis import Transport as StockTransport

from config.broker import Transport
from tests.common.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.redis
URLS = {"redis": "redis://localhost", "rediss": "rediss://localhost", "sentinel": "sentinel://localhost:26379"}


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


def test_a_worker_lets_go_of_what_it_holds(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    connection, message = at_work(server, Transport)
    server.stop()
    lose(connection)
    message.ack_log_error(get_logger("worker"), connection.connection_errors)
    assert "Couldn't ack" in caplog.text


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
