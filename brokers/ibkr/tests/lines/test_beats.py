"""Beats that are taken as they arrive: exactly those, at the beginning of a frame, and nothing else is touched."""

from __future__ import annotations

import random

import pytest

from brokers.ibkr.lines.beats import Beats

HEART = b'{"topic":"system","hb":1712596911593}'


class Parser:
    """What aiohttp would be given."""

    def __init__(self) -> None:
        self.got = b""
        self.ended = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.got += data
        return False, b""

    def feed_eof(self) -> None:
        self.ended = True


def frame(payload: bytes, first: int = 0x81) -> bytes:
    if len(payload) < 126:
        return bytes([first, len(payload)]) + payload
    if len(payload) < 65536:
        return bytes([first, 126]) + len(payload).to_bytes(2) + payload
    return bytes([first, 127]) + len(payload).to_bytes(8) + payload


def beats(*, takes: bool = True) -> tuple[Beats, Parser, list[bytes]]:
    parser, seen = Parser(), list[bytes]()

    def taken(beat: bytes) -> bool:
        seen.append(beat)
        return takes

    made = Beats(parser)
    made.taken = taken
    return made, parser, seen


def test_a_beat_in_a_frame_of_its_own_is_taken() -> None:
    made, parser, seen = beats()
    assert made.feed_data(frame(HEART)) == (False, b"")
    assert (seen, parser.got, made.messages) == ([HEART], b"", 0)


def test_one_that_nobody_takes_goes_on_whole() -> None:
    made, parser, seen = beats(takes=False)
    made.feed_data(frame(HEART))
    assert (seen, parser.got, made.messages) == ([HEART], frame(HEART), 1)
    made.taken = None
    made.feed_data(frame(HEART))
    assert (len(seen), parser.got, made.messages) == (1, 2 * frame(HEART), 2)


@pytest.mark.parametrize(
    "data",
    [
        frame(HEART) + frame(HEART),
        frame(HEART)[:-1],
        frame(HEART, 0x01),
        frame(HEART, 0x82),
        frame(HEART, 0xC1),
        frame(b'{"topic":"system","hb":1,"success":"user"}'),
        frame(b'{"topic":"sor","args":[]}'),
        b"\x81",
        b"",
    ],
)
def test_what_is_not_exactly_one_beat_is_not_asked_about(data: bytes) -> None:
    made, parser, seen = beats()
    made.feed_data(data)
    assert (seen, parser.got) == ([], data)


@pytest.mark.parametrize("length", [3, 125, 126, 70_000])
@pytest.mark.parametrize("cut", [1, 2, 3, 5, 9, -1])
def test_what_looks_like_a_beat_within_a_message_is_part_of_that_message(length: int, cut: int) -> None:
    """The message ends with bytes that are a frame with a beat."""
    whole = frame(b"x" * length + frame(HEART))
    made, parser, seen = beats()
    inner = len(whole) - len(frame(HEART))
    for part in (
        (whole[:cut], whole[cut:inner], whole[max(cut, inner) :]) if 0 < cut <= inner else (whole[:cut], whole[cut:])
    ):
        made.feed_data(part)
    assert (seen, parser.got, made.messages) == ([], whole, 1)
    made.feed_data(frame(HEART))
    assert (seen, parser.got) == ([HEART], whole)


def test_frames_cut_anywhere_are_passed_on_byte_for_byte_and_counted() -> None:
    dice = random.Random(14)
    for _ in range(300):
        kinds = [dice.choice([0x81, 0x82, 0x89, 0x01, 0x80]) for _ in range(dice.randint(1, 6))]
        frames = [frame(b"y" * dice.choice([0, 1, 60, 125, 126, 300, 66_000]), kind) for kind in kinds]
        whole = b"".join(frames)
        made, parser, seen = beats()
        at = 0
        while at < len(whole):
            step = dice.choice([1, 2, 3, 50, 1000, len(whole)])
            made.feed_data(whole[at : at + step])
            at += step
        assert (seen, parser.got) == ([], whole)
        assert made.messages == sum(kind >> 7 for kind in kinds)
        made.feed_data(frame(HEART))
        assert seen == [HEART]


def test_the_end_is_passed_on() -> None:
    made, parser, _ = beats()
    made.feed_eof()
    assert parser.ended
