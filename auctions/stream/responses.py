"""A conversation as the body of an answer: by an event loop under ASGI, by a thread of its own under WSGI."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from auctions.stream.conversation import Conversation
from auctions.stream.hub import Hub
from auctions.stream.reading import Feed
from auctions.stream.slots import Slots

hub = Hub()
slots = Slots()


class EventStreamResponse(StreamingHttpResponse):
    """An answer that goes on for as long as somebody listens."""

    lasts = True  # For config.server, which gives it a thread beside those of the API.

    def __init__(self, request: HttpRequest, feed: Feed) -> None:
        """Raises TooManyStreams."""
        release = slots.take(request.META.get("REMOTE_ADDR", ""))
        body: Any = _LoopBody(feed, release) if isinstance(request, ASGIRequest) else _ThreadBody(feed, release)
        super().__init__(body, content_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


class _Body:
    """Gives its slot back when it is closed, and also when nobody ever listened."""

    def __init__(self, feed: Feed, release: Callable[[], None]) -> None:
        self._feed = feed
        self._release = weakref.finalize(self, release)

    def close(self) -> None:
        self._release()


class _ThreadBody(_Body):
    def __iter__(self) -> Iterator[bytes]:
        bell = threading.Event()
        conversation = Conversation(self._feed, hub, bell.set)
        try:
            while True:
                bell.clear()  # Before the step looks, so that no notice is lost.
                step = conversation.step()
                if step is None:
                    return
                if step.chunk:
                    yield step.chunk
                else:
                    bell.wait(step.wait_s)
        finally:
            conversation.close()


class _LoopBody(_Body):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop, bell = asyncio.get_running_loop(), asyncio.Event()
        conversation = Conversation(self._feed, hub, lambda: loop.call_soon_threadsafe(bell.set))
        try:
            while True:
                bell.clear()
                step = conversation.step()
                if step is None:
                    return
                if step.chunk:
                    yield step.chunk
                else:
                    await _ring(bell, step.wait_s)
        finally:
            conversation.close()


async def _ring(bell: asyncio.Event, within_s: float) -> None:
    try:
        await asyncio.wait_for(bell.wait(), within_s)
    except TimeoutError:
        return
