"""How much is remembered, for tests of what must not grow."""

from __future__ import annotations

import asyncio
import gc
from collections import OrderedDict, defaultdict, deque
from collections.abc import Sized
from contextvars import Context
from types import BuiltinFunctionType, CoroutineType, FrameType, FunctionType, ModuleType

_COLLECTIONS = {dict, list, set, deque, defaultdict, OrderedDict}
# What an object leads to that is not its own.
_ELSEWHERE = (
    type,
    ModuleType,
    FunctionType,
    BuiltinFunctionType,
    CoroutineType,
    FrameType,
    Context,
    asyncio.AbstractEventLoop,
    asyncio.Future,
    asyncio.Handle,
)


def remembered() -> int:
    """All that is kept in this process: objects that hold others, and what the collections among them hold."""
    gc.collect()
    return _counted(gc.get_objects())


def remembered_by(*owners: object) -> int:
    """The same of all that these objects lead to, apart from what the event loop has under way."""
    gc.collect()
    known, waiting = dict[int, object](), list(owners)
    while waiting:
        each = waiting.pop()
        if id(each) not in known and not isinstance(each, _ELSEWHERE):
            known[id(each)] = each
            waiting += gc.get_referents(each)
    return _counted([each for each in known.values() if gc.is_tracked(each)])


def _counted(objects: list[object]) -> int:
    kept = (each for each in objects if type(each) in _COLLECTIONS and isinstance(each, Sized))
    return len(objects) + sum(map(len, kept))
