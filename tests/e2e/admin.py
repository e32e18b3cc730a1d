"""A member of staff at the admin: signs in and sends its forms as a browser would."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import httpx


class _Fields(HTMLParser):
    """What a browser would send if nobody touched the fields of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, Any] = {}
        self.options: dict[str, dict[str, str]] = {}  # By select: text -> value.
        self._select = self._textarea = self._value = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._textarea = name
            self.fields[name] = ""
        elif tag == "option" and self._select:
            self._value = given.get("value") or ""
            if "selected" in given:
                self.fields[self._select] = self._value
        elif tag == "input" and name and _is_sent(given):
            self.fields[name] = given.get("value") or ("on" if given.get("type") == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.fields[self._textarea] += data
        elif self._select and data.strip():
            self.options.setdefault(self._select, {})[data.strip()] = self._value


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

    def find(self, listing: str, name: str) -> str:
        """The change page of the row that a list shows as `name`."""
        found = re.search(
            rf'href="{self.path}({listing}\d+/change/)[^"]*"[^>]*>\s*{re.escape(name)}', self._read(listing)
        )
        assert found, f"no {name} in {listing}"
        return found[1]

    def submit(self, page: str, *, choose: dict[str, str] | None = None, **changes: str) -> None:
        """Send the form of a page with some fields changed; `choose` names options by their text. Anything but a
        redirect (a form with errors) fails."""
        form = _Fields()
        form.feed(self._read(page))
        chosen = {field: form.options[field][text] for field, text in (choose or {}).items()}
        answer = self.client.post(
            self.path + page, data=form.fields | chosen | changes, headers={"Referer": str(self.client.base_url)}
        )
        assert answer.status_code == httpx.codes.FOUND, answer.text[-4000:]

    def _read(self, page: str) -> str:
        return self.client.get(self.path + page).raise_for_status().text
