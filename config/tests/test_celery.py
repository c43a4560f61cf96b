"""What the worker survives of the server that hands its messages out, and what its processes share."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from celery.signals import worker_before_create_process
from kombu import Connection, Message, Queue

from config.celery import app

pytestmark = pytest.mark.usefixtures("servers")


def taken(connection: Any, queue: Queue) -> Message:
    """A message of the queue, taken and not settled."""
    messages: list[Message] = []
    with connection.Producer() as producer:
        producer.publish({"wake": 1}, routing_key=queue.name, declare=[queue])
    consumer = connection.Consumer(queue, callbacks=[lambda _, message: messages.append(message)])
    consumer.consume()
    connection.drain_events(timeout=5)
    return messages[0]


@pytest.mark.parametrize("settle", [Message.ack, Message.reject, Message.requeue])
def test_a_message_whose_connection_is_gone_is_settled_without_it(settle: Callable[[Message], None]) -> None:
    """As when Redis starts anew under a task that acknowledges at its end."""
    assert app.conf.task_acks_late
    queue = Queue(f"test-{uuid.uuid4()}")
    with Connection(app.conf.broker_url) as connection:
        message = taken(connection, queue)
        connection.close()
        settle(message)
    assert message.acknowledged
    with Connection(app.conf.broker_url) as connection:
        queue(connection.default_channel).delete()


def test_a_message_is_settled_at_the_server_while_its_connection_lasts() -> None:
    queue = Queue(f"test-{uuid.uuid4()}")
    with Connection(app.conf.broker_url) as connection:
        message = taken(connection, queue)
        channel: Any = message.channel
        assert channel.client.hexists(channel.unacked_key, message.delivery_tag)
        message.ack()
        assert not channel.client.hexists(channel.unacked_key, message.delivery_tag)
        queue(connection.default_channel).delete()


def test_processes_of_the_pool_share_what_was_loaded_before_them() -> None:
    loaded: list[object] = [[]]
    assert any(each is loaded for each in gc.get_objects())
    worker_before_create_process.send(sender=None)
    # No look for garbage writes beside it any more, which would give each process its own copy of the page.
    assert not any(each is loaded for each in gc.get_objects())
