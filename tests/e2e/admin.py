"""A member of staff at the admin: signs in and sends its forms as a browser would."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import httpx


class _Fields(HTMLParser):
    """What a browser would send if nobody touched the fields of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, Any] = {}
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._textarea = name
            self.fields[name] = ""
        elif tag == "option" and self._select and "selected" in given:
            self.fields[self._select] = given.get("value") or ""
        elif tag == "input" and name and _is_sent(given):
            self.fields[name] = given.get("value") or ("on" if given.get("type") == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.fields[self._textarea] += data


def _is_sent(attributes: dict[str, str | None]) -> bool:
    kind = attributes.get("type")
    if kind in {"checkbox", "radio"}:
        return "checked" in attributes
    return kind not in {"submit", "button", "file", "image"}


class AdminVisitor:
    """`client` is used up: it keeps the session's cookies."""

    def __init__(self, client: httpx.Client, path: str = "/admin") -> None:
        self.client = client
        self.path = path

    def sign_in(self, email: str, password: str) -> None:
        self.submit("/login/", username=email, password=password, next=f"{self.path}/")

    def submit(self, page: str, **changes: Any) -> None:
        """Send the form of a page with some fields changed; anything but a redirect (a form with errors) fails."""
        url = self.path + page
        fields = _Fields()
        fields.feed(self.client.get(url).raise_for_status().text)
        token = fields.fields["csrfmiddlewaretoken"]
        answer = self.client.post(
            url,
            data={name: value for name, value in (fields.fields | changes).items() if value is not None},
            headers={"Referer": str(self.client.base_url), "X-CSRFToken": token},
        )
        assert answer.status_code == httpx.codes.FOUND, answer.text[-4000:]
