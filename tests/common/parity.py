"""One address by both list paths."""

from __future__ import annotations

from typing import Any
from unittest import mock

from rest_framework.test import APIClient

from common.fastlist import FastListMixin

HEADERS = {"Content-Type", "Link", "Allow", "Vary"}


def plain_way(client: APIClient, url: str) -> Any:
    with mock.patch.object(FastListMixin, "fast_list", return_value=None):
        return client.get(url)


def fast_way(client: APIClient, url: str) -> Any:
    """Fails when the plain path had to help, but for an empty list below a resource."""
    given = []
    fast_list = FastListMixin.fast_list

    def spy(view: Any, request: Any) -> Any:
        given.append(fast_list(view, request))
        return given[-1]

    with mock.patch.object(FastListMixin, "fast_list", spy):
        answer = client.get(url)
    assert given
    assert given[-1] is not None or not answer.json()["results"], f"{url} went the plain way"
    return answer


def assert_same(client: APIClient, url: str) -> Any:
    """Compiled, then bound, then as the serializer writes it: the same status, bytes and headers. The answer."""
    answers = [fast_way(client, url), fast_way(client, url), plain_way(client, url)]
    shown = [(answer.status_code, answer.content, {name: answer.get(name) for name in HEADERS}) for answer in answers]
    assert shown[0] == shown[2], url
    assert shown[1] == shown[2], url
    assert answers[0].status_code == 200
    return answers[0]


def walk(client: APIClient, url: str) -> int:
    """Follow a cursor to the end and back; the number of pages."""
    trail, link = [], url
    for direction in ("next", "previous"):
        while link:
            trail.append(link)
            link = assert_same(client, link).json()[direction]
        link = trail[-1]
    return len(trail)
