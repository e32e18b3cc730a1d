"""The app's routes: `routes` go on the project's one router, `urlpatterns` are the plain views beside it under
`/api/`."""

from __future__ import annotations

routes: list[tuple[str, type, str]] = []
urlpatterns: list = []
