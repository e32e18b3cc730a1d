"""The app's routes: `routes` go on the project's one router, `urlpatterns` are the plain views beside it under
`/api/`, `pages` the HTML pages."""

from __future__ import annotations

from typing import Any

routes: list[tuple[str, type, str]] = []
urlpatterns: list[Any] = []
pages: list[Any] = []
