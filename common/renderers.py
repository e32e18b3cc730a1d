"""Answers: JSON by orjson, documents as PDF, and the browsable API for people who are signed in by session."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
from django.conf import settings
from django.utils.functional import Promise
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS


def dump_json(data: Any) -> bytes:
    """Compact UTF-8 JSON: times end in Z, decimals are strings."""
    return orjson.dumps(data, default=_plain, option=_OPTIONS)


class Untagged(str):
    """A text in an answer that says nothing about the resource, as the moment of the answer: wherever it stands, the
    entity tag leaves it out."""

    __slots__ = ()


def dump_lasting_json(data: Any) -> bytes:
    """As `dump_json`, with null for whatever is `Untagged`."""
    return orjson.dumps(data, default=_lasting, option=_OPTIONS | orjson.OPT_PASSTHROUGH_SUBCLASS)


def _lasting(value: Any) -> Any:
    """orjson hands over every instance of a subclass; but for `Untagged` they stand for what they extend."""
    if isinstance(value, Untagged):
        return None
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, dict | list):
        return dict(value) if isinstance(value, dict) else list(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | Promise):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class JSONRenderer(BaseRenderer):
    """The API's format. `charset` stays unset: application/json is UTF-8 by definition (RFC 8259)."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "text"  # The browsable API shows the others as a number of bytes.

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else dump_json(data)


class BrowsableRenderer(BrowsableAPIRenderer):
    """Raw JSON forms only: an HTML form would send what the strict parser refuses."""

    def get_default_renderer(self, view: Any) -> BaseRenderer:
        return IndentedJSONRenderer()

    def get_rendered_html_form(self, data: Any, view: Any, method: str, request: Any) -> Any:
        """True still shows the OPTIONS and DELETE buttons, which carry no form."""
        allowed = method in ("DELETE", "OPTIONS") and method in view.allowed_methods
        return True if allowed else None

    def get_filter_form(self, data: Any, view: Any, request: Any) -> None:
        return None


class IndentedJSONRenderer(JSONRenderer):
    """For reading."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data, default=_plain, option=_OPTIONS | orjson.OPT_INDENT_2)


class BodyRenderer(IndentedJSONRenderer):
    """What a raw form starts with: the resource without the members that a body may not have."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        fields = renderer_context["view"].get_serializer().fields
        return super().render(
            {name: data[name] for name, field in fields.items() if name in data and not field.read_only}
        )


def is_browser_session(request: Any) -> bool:
    """Whether the request comes from somebody signed in by session: its cookie, and no Authorization header."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES and "HTTP_AUTHORIZATION" not in request.META


class ContentNegotiation(DefaultContentNegotiation):
    """HTML is offered to session requests only; for everybody else the API speaks JSON (406 otherwise)."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        if not is_browser_session(request):
            renderers = [renderer for renderer in renderers if not isinstance(renderer, BrowsableAPIRenderer)]
            # What nearly every client sends needs no parsing.
            if request.META.get("HTTP_ACCEPT", "*/*") in ("*/*", renderers[0].media_type):
                return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)


class FileRenderer(JSONRenderer):
    """Lets a client ask for a file by its type. The file itself is sent as it is; only errors come by here, and views
    with `common.views.FileMixin` send those as JSON."""

    render_style = "binary"


class PDFRenderer(FileRenderer):
    """For `application/pdf`."""

    media_type = "application/pdf"
    format = "pdf"


class CSVRenderer(FileRenderer):
    """For `text/csv`."""

    media_type = "text/csv"
    format = "csv"


class EventStreamRenderer(FileRenderer):
    """For `text/event-stream`."""

    media_type = "text/event-stream"
    format = "event-stream"
