"""A stand-in for a web server that has one file, such as a supplier's price list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tests.standins.base import Answer, Request, Row, StandIn, html_page


class FileServer(StandIn):
    """Answers every path with `content`, which may be changed at any time."""

    rows_field: ClassVar[str] = "rows"
    id_field: ClassVar[str] = "id"

    def __init__(self, content: bytes, *, content_type: str = "text/csv; charset=utf-8", port: int = 0) -> None:
        super().__init__(port=port)
        self.content = content
        self.content_type = content_type

    def respond(self, request: Request, headers: Mapping[str, str]) -> Answer:
        return Answer(text=self.content.decode(), content_type=self.content_type)

    def error(self, status: int) -> Answer:
        return html_page(status, f"Error {status}")

    def bad_rows(self) -> list[Row]:
        return []
