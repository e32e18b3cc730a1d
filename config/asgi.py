"""The live process: long-lived streams only; the API itself runs under WSGI (see docs/adr)."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
os.environ.setdefault("PROCESS_ROLE", "stream")

import django
from django.core.handlers.asgi import ASGIHandler


class StreamHandler(ASGIHandler):
    """Django's, but all synchronous code of the process runs in one thread.

    Django gives each request a thread for it, which would stay for as long as the request lasts: thousands of them. A
    stream needs one for a few milliseconds, when it begins.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError("Only HTTP is spoken here.")
        await self.handle(scope, receive, send)


django.setup(set_prefix=False)
application = StreamHandler()
