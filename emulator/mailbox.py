"""Hands the next event to whoever asks for it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Events of one receiver. A repeated request takes the place of an earlier one, whose asker is gone or confused.

    One that ``is_shared`` has several askers at a time, who are served in the order in which they came.
    """

    def __init__(self, *, is_shared: bool = False) -> None:
        self._items: deque[T] = deque()
        self._askers: deque[asyncio.Future[T]] = deque()
        self._is_shared = is_shared

    def put(self, item: T) -> None:
        """Give an event to a waiting asker, or keep it for the next."""
        while self._askers:
            asker = self._askers.popleft()
            if not asker.done():
                asker.set_result(item)
                return
        self._items.append(item)

    def clear(self) -> None:
        """Forget events that nobody has asked for yet."""
        self._items.clear()

    async def get(self) -> T:
        """Wait for the next event. Raises CancelledError where another request takes this one's place."""
        if not self._is_shared:
            while self._askers:
                self._askers.popleft().cancel()
        if self._items:
            return self._items.popleft()
        asker: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._askers.append(asker)
        return await asker
