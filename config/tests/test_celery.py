"""What the worker survives of the server that hands its messages out."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
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
