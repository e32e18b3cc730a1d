"""What every request goes through, and the headers of every answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.utils.functional import SimpleLazyObject
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from common import middleware
from common.logs import formatter
from common.permissions import Public
from common.views import ApiView
from tests.accounts.keys import by, made

pytestmark = pytest.mark.urls(__name__)
LineOf = Callable[..., dict[str, Any]]
JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"


def page(request: HttpRequest) -> HttpResponse:
    nonce = request.csp_nonce if "nonce" in request.GET else ""  # type: ignore[attr-defined]
    return HttpResponse(f"<script nonce='{nonce}'></script>")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret of the inside")


def about(request: HttpRequest, pk: int | None = None) -> JsonResponse:
    """What the middleware made of the request."""
    return JsonResponse(
        {
            "address": request.META["REMOTE_ADDR"],
            "secure": request.is_secure(),
            "session": hasattr(request, "session"),
            "messages": hasattr(request, "_messages"),
            "is_lazy": type(request.user) is SimpleLazyObject,
            "path": request.path,
        }
    )


def cached(request: HttpRequest) -> HttpResponse:
    return HttpResponse("x", headers={"Cache-Control": "public, max-age=60"})


class EchoView(ApiView):
    permission_classes = (Public,)

    def get(self, request: Request) -> Response:
        return Response({})

    def post(self, request: Request) -> Response:
        return Response(request.data)

    def delete(self, request: Request) -> Response:
        raise Throttled(3)


urlpatterns = [
    path("page", page),
    path("admin/page", page),
    path("api/docs", page),
    path("api/broken", broken),
    path("api/about", about),
    path("api/session/login", about),
    path("about", about),
    path("cached", cached),
    path("health", about),
    path("api/health", about),
    path("api/echo", EchoView.as_view()),
    path("api/cars/<int:pk>/file", about),
]
handler400 = "common.handler.bad_request"
handler404 = "common.handler.page_not_found"
handler500 = "common.handler.server_error"


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


ANSWERS = {
    "200": lambda client: client.get("/api/echo"),
    "400": lambda client: client.get("/api/echo?a=%00"),
    "404": lambda client: client.get("/api/nothing"),
    "405": lambda client: client.put("/api/echo"),
    "413": lambda client: client.post("/api/echo", "x" * (1024 * 1024 + 1), content_type="application/json"),
    "415": lambda client: client.post("/api/echo", "x", content_type="text/plain"),
    "429": lambda client: client.delete("/api/echo"),
    "500": lambda client: client.get("/api/broken"),
    "bad host": lambda client: client.get("/api/echo", headers={"host": "evil.example"}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_carries_the_headers(client: Client, name: str) -> None:
    answer = ANSWERS[name](client)
    assert name == "bad host" or answer.status_code == int(name)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == JSON_POLICY
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Content-Type"] == "application/json"
    assert len(answer["X-Request-ID"]) == 32
    assert "Server" not in answer
    assert set(answer.json()) == ({"type", "errors"} if name != "200" else set())


def test_a_500_tells_nothing_of_the_inside(client: Client) -> None:
    assert b"secret of the inside" not in client.get("/api/broken").content


def test_a_view_may_declare_itself_cacheable(client: Client) -> None:
    assert client.get("/cached")["Cache-Control"] == "public, max-age=60"


# --- Content security -----------------------------------------------------------------------------------------------


def policy_of(answer: Any) -> dict[str, str]:
    directives = answer["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def test_pages_run_only_their_own_scripts(client: Client) -> None:
    policy = policy_of(client.get("/page"))
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"


def test_a_nonce_is_new_each_time_and_in_the_page(client: Client) -> None:
    first, second = client.get("/page?nonce"), client.get("/page?nonce")
    nonce = first.content.decode().split("'")[1]
    assert policy_of(first)["script-src"] == f"'self' 'nonce-{nonce}'"
    assert first.content != second.content


def test_the_admin_and_the_docs_get_what_they_need(client: Client) -> None:
    admin, docs = policy_of(client.get("/admin/page")), policy_of(client.get("/api/docs"))
    assert admin["script-src"] == "'self' 'unsafe-eval'"
    assert docs["script-src"] == "'self'"
    assert admin["style-src"] == docs["style-src"] == "'self' 'unsafe-inline'"
    assert admin["img-src"] == docs["img-src"] == "'self' data:"
    assert docs["worker-src"] == "blob:"


# --- The guard ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["/api/a%00b", "/api/a%ffb", "/api/%ed%a0%80", "/api/echo?q=%00", "/api/echo?q=%ff", "/x%00"]
)
def test_nul_and_broken_utf8_are_400(client: Client, url: str) -> None:
    answer = client.get(url)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "bad_url"


@pytest.mark.parametrize("url", ["/api/caf%C3%A9", "/api/%F0%9F%9A%97", "/api/%252e"])
def test_good_utf8_is_not_the_guards_business(client: Client, url: str) -> None:
    assert client.get(url).status_code == 404


@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "٣"])
def test_a_content_length_that_is_none_is_400(client: Client, length: str) -> None:
    assert client.get("/api/about", CONTENT_LENGTH=length).status_code == 400


@pytest.mark.parametrize("length", [str(1024 * 1024 + 1), "9" * 5000])
def test_a_body_over_the_limit_is_413_before_it_is_read(client: Client, length: str) -> None:
    assert client.get("/api/about", CONTENT_LENGTH=length).status_code == 413


def test_the_limit_is_the_apis(client: Client) -> None:
    assert client.get("/about", CONTENT_LENGTH=str(5 * 1024 * 1024)).status_code == 200


@pytest.mark.parametrize("url", ["/api/echo", "/page", "/api/nothing"])
def test_plain_http_is_refused_where_https_is_the_address(client: Client, settings: Any, url: str) -> None:
    settings.BACKEND_IS_HTTPS = True
    answer = client.post(url, {"password": "x"})
    assert answer.status_code == 403
    assert "Location" not in answer
    assert answer.json()["errors"][0]["code"] == "https_required"
    assert client.get("/health").status_code == client.get("/api/health").status_code == 200


def test_https_answers_bind_the_browser_to_https(client: Client, settings: Any) -> None:
    settings.BACKEND_IS_HTTPS = True
    settings.SECURE_HSTS_SECONDS = 3600
    answer = Client().get("/api/about", secure=True)
    assert answer.status_code == 200
    assert answer["Strict-Transport-Security"].startswith("max-age=3600")


# --- Slashes --------------------------------------------------------------------------------------------------------


def test_a_trailing_slash_is_the_same_path(client: Client) -> None:
    answer = client.post("/api/echo/", json.dumps({"a": 1}), content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {"a": 1})
    assert client.get("/api/about/").json()["path"] == "/api/about"


@pytest.mark.parametrize("url", ["/api/about//", "/about/", "/api//about"])
def test_only_one_slash_and_only_under_api(client: Client, url: str) -> None:
    assert client.get(url).status_code == 404


# --- Other origins ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://good.example", True),
        ("https://good.example.evil.test", False),
        ("https://evil.test/https://good.example", False),
        ("http://good.example", False),
        ("https://good.example:444", False),
        ("null", False),
    ],
)
def test_only_listed_origins_may_read(client: Client, settings: Any, origin: str, allowed: bool) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://good.example"]
    answer = client.get("/api/echo", headers={"origin": origin})
    assert answer.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert "Access-Control-Allow-Credentials" not in answer


def test_no_origin_may_read_by_default(client: Client) -> None:
    assert "Access-Control-Allow-Origin" not in client.get("/api/echo", headers={"origin": "https://good.example"})


def test_a_preflight_lists_what_is_allowed(client: Client, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://good.example"]
    ask = {"origin": "https://good.example", "access-control-request-method": "POST"}
    answer = client.options("/api/echo", headers=ask)
    assert answer.status_code == 200
    assert "authorization" in answer["Access-Control-Allow-Headers"]
    assert "cookie" not in answer["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Methods" not in client.options("/page", headers=ask)


# --- Sessions -------------------------------------------------------------------------------------------------------

BEARER = {"authorization": "Bearer x"}


@pytest.mark.parametrize(
    ("url", "cookie", "headers", "has_session"),
    [
        ("/api/about", False, {}, False),
        ("/api/about", False, BEARER, False),
        ("/api/about", True, BEARER, False),
        ("/api/about", True, {}, True),
        ("/api/session/login", False, {}, True),
        ("/about", False, {}, True),
        ("/about", False, BEARER, True),
    ],
)
@pytest.mark.django_db
def test_sessions_only_where_they_are_used(
    client: Client, url: str, cookie: bool, headers: dict[str, str], has_session: bool
) -> None:
    if cookie:
        client.cookies["forecourt_session"] = "x" * 32
    seen = client.get(url, headers=headers).json()
    assert seen["session"] is seen["messages"] is seen["is_lazy"] is has_session


# --- Proxies --------------------------------------------------------------------------------------------------------


def through(trusted: list[str], settings: Any, **meta: str) -> HttpRequest:
    settings.TRUSTED_PROXIES = trusted
    request = RequestFactory().get("/", **meta)
    middleware.TrustedProxy(lambda _: HttpResponse()).before(request)
    return request


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "192.0.2.9", "192.0.2.9"),
        ("10.0.0.1", "203.0.113.7, 192.0.2.9", "192.0.2.9"),  # The left part is what the client claims.
        ("10.0.0.1", "192.0.2.9, 10.0.0.2", "192.0.2.9"),  # Two of our proxies.
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "192.0.2.9", "192.0.2.9"),
        ("192.0.2.1", "192.0.2.9", "192.0.2.1"),
        ("", "192.0.2.9", "192.0.2.9"),
    ],
)
def test_the_address_is_the_nearest_that_is_no_proxy(settings: Any, peer: str, forwarded: str, address: str) -> None:
    request = through(["10.0.0.0/8", "unix"], settings, REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert request.META["REMOTE_ADDR"] == address


@pytest.mark.parametrize(("trusted", "is_secure"), [(["10.0.0.0/8"], True), ([], False), (["10.0.0.2"], False)])
def test_https_is_what_a_trusted_proxy_says(settings: Any, trusted: list[str], is_secure: bool) -> None:
    request = through(trusted, settings, REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_PROTO="https")
    assert request.is_secure() is is_secure


# --- Request ids and the log line -------------------------------------------------------------------------------------


@pytest.fixture
def line_of(caplog: pytest.LogCaptureFixture) -> Callable[..., dict[str, Any]]:
    """The one line that a request leaves."""

    def read(client: Client, url: str, **extra: Any) -> dict[str, Any]:
        caplog.clear()
        client.get(url, **extra)
        (record,) = [record for record in caplog.records if record.name == "request"]
        return json.loads(formatter().format(record))

    return read


def test_a_sane_request_id_comes_back(client: Client) -> None:
    assert client.get("/api/echo", headers={"x-request-id": "trace-1.a_b"})["X-Request-ID"] == "trace-1.a_b"


@pytest.mark.parametrize("given", ["", "a b", "a\r\nb", "x" * 65, "<script>", "é"])
def test_an_odd_request_id_is_replaced(client: Client, given: str) -> None:
    answer = client.get("/api/echo", headers={"x-request-id": given})
    assert answer["X-Request-ID"] != given
    assert len(answer["X-Request-ID"]) == 32


def test_the_line_names_the_route_never_the_path(client: Client, line_of: LineOf) -> None:
    line = line_of(client, "/api/cars/7/file?token=abc")
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/cars/<int:pk>/file", 200)
    assert line["duration_ms"] >= 0
    assert "abc" not in str(line)


def test_an_unknown_path_is_not_logged(client: Client, line_of: LineOf) -> None:
    assert line_of(client, "/api/downloads/secret-token")["route"] == "unmatched"


def test_a_500_is_an_error(client: Client, line_of: LineOf) -> None:
    line = line_of(client, "/api/broken")
    assert (line["status"], line["level"]) == (500, "error")


def test_the_line_names_the_user(user: User, as_user: Any, line_of: LineOf) -> None:
    assert line_of(as_user(user), "/api/echo")["user_id"] == user.pk
    assert line_of(Client(), "/api/echo")["user_id"] is None


def test_the_line_names_the_api_key(user: User, as_user: Any, line_of: LineOf) -> None:
    key, text = made(user)
    line = line_of(by(text), "/api/echo")
    assert (line["user_id"], line["api_key_id"]) == (user.pk, key.pk)
    assert "api_key_id" not in line_of(as_user(user), "/api/echo")


def test_the_log_line_asks_no_database_for_the_user(client: Client, line_of: LineOf) -> None:
    """Without the `db` fixture a query would raise: the lazy user of a session stays unasked."""
    assert line_of(client, "/cached")["user_id"] is None


def test_methods_make_no_new_series(client: Client) -> None:
    from prometheus_client import REGISTRY, generate_latest

    client.generic("MADEUP", "/api/echo")
    assert b"MADEUP" not in generate_latest(REGISTRY)


# --- ASGI -----------------------------------------------------------------------------------------------------------


def test_the_same_under_asgi() -> None:
    client = AsyncClient(raise_request_exception=False)
    get = async_to_sync(client.get)
    answer = get("/api/about/", headers={"x-request-id": "abc"})
    assert (answer.status_code, answer.json()["path"]) == (200, "/api/about")
    assert answer["Content-Security-Policy"] == JSON_POLICY
    assert answer["X-Request-ID"] == "abc"
    assert get("/api/echo?q=%00").status_code == 400
    assert get("/api/nothing").status_code == 404
    assert get("/api/broken").status_code == 500
