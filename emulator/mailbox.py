"""Hands the next event to whoever asks for it last."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Events of one receiver. A repeated request takes the place of an earlier one, whose asker is gone or confused."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._asker: asyncio.Future[T] | None = None

    def put(self, item: T) -> None:
        """Give an event to the waiting asker, or keep it for the next."""
        if self._asker is not None and not self._asker.done():
            self._asker.set_result(item)
        else:
            self._items.append(item)

    def clear(self) -> None:
        """Forget events that nobody has asked for yet."""
        self._items.clear()

    async def get(self) -> T:
        """Wait for the next event. Raises CancelledError where another request takes this one's place."""
        if self._asker is not None:
            self._asker.cancel()
        if self._items:
            return self._items.popleft()
        self._asker = asyncio.get_running_loop().create_future()
        return await self._asker
