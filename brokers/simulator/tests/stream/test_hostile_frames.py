"""Ten thousand websocket frames that no client should send: the market goes on for everybody else."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from brokers.simulator.stream.topics import TOPICS
from brokers.simulator.tests.conftest import Client, messages, ticket

FRAMES = 10_000
_LIMIT = 64 * 1024


def _text(dice: random.Random) -> str:
    return "".join(chr(dice.choice((dice.randrange(32, 127), dice.randrange(0xA0, 0xD7FF)))) for _ in range(40))


def _nested(dice: random.Random) -> str:
    return f"sor+{'[' * dice.randrange(1, 30_000)}"


def _numbers(dice: random.Random) -> str:
    number = dice.choice(("1" * 5000, "-1", "0", "1e999", "NaN", "Infinity", "0x10", "٣", "9" * 19))
    return dice.choice((f"smd+{number}+{{}}", f'str+{{"days":{number}}}', f"umd+{number}", f"ssd+{number}+{{}}"))


def _options(dice: random.Random) -> str:
    value = dice.choice(
        ('{"fields":1}', '{"fields":[[]]}', '{"keys":[{}]}', '{"keys":7}', "[]", "null", '"x"', '{"days":null}', "{")
    )
    return f"{dice.choice(sorted(TOPICS))}+{dice.choice(('265598', 'SIM0', '', 'x'))}+{value}"


def _binary(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(0, 300))


def _huge(dice: random.Random) -> str | bytes:
    return dice.choice(("sor+" + "x" * (_LIMIT + 1), bytes(_LIMIT * 2), "tic" * 30_000))


def _plain(dice: random.Random) -> str:
    return dice.choice(("", "+", "++++", "sor", "sor+", "uor", "usd+x", "uld", "ech+\ud7ff", "tic+{}", "\x00\x01"))


_KINDS: list[tuple[Callable[[random.Random], str | bytes], int]] = [
    (_text, 30),
    (_numbers, 20),
    (_options, 25),
    (_binary, 12),
    (_plain, 12),
    (_nested, 1),
    (_huge, 1),
]


def test_ten_thousand_hostile_frames_harm_nobody(client: Client) -> None:
    dice = random.Random(20_260_101)
    kinds = dice.choices([kind for kind, _ in _KINDS], [weight for _, weight in _KINDS], k=FRAMES)
    sent = 0
    with client.socket() as witness:
        witness.send("sor+{}")
        messages(witness, "sor")
        while sent < FRAMES:
            # A frame that is too long ends its connection; the next one goes on.
            with contextlib.suppress(ConnectionClosed), client.socket() as socket:
                while sent < FRAMES:
                    kind, sent = kinds[sent], sent + 1
                    socket.send(kind(dice))
                    _drain(socket, sent)
        client.place(ticket("unharmed"))
        assert messages(witness, "sor", 2)[1]["args"][0]["status"] == "Filled"
    assert client.gateway.process is not None
    assert client.gateway.process.poll() is None
    assert "Traceback" not in client.gateway.output()


def _drain(socket: ClientConnection, sent: int) -> None:
    """Read the answers now and then, as a client with a full inbox would be cut off."""
    if sent % 200:
        return
    with contextlib.suppress(TimeoutError):
        while True:
            socket.recv(timeout=0.002)
