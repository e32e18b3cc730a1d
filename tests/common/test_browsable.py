"""The browsable API: for people signed in by session, with raw JSON forms only."""

from __future__ import annotations

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.common.urls")]
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture
def browser(user: User) -> APIClient:
    client = APIClient(HTTP_ACCEPT=HTML)
    client.force_login(user)
    return client


def test_a_session_sees_a_page_with_a_raw_form(browser: APIClient) -> None:
    Car.objects.create(make="Audi", model="<script>", year=2020)
    html = browser.get("/api/cars").content.decode()

    assert 'name="_content"' in html
    assert "&lt;script&gt;" in html
    assert 'enctype="multipart/form-data"' not in html
    assert "filtersModal" not in html


def test_a_page_of_one_resource_offers_put_and_patch(browser: APIClient) -> None:
    car = Car.objects.create(make="Audi", model="Q3", year=2020)
    html = browser.get(f"/api/cars/{car.pk}").content.decode()

    assert 'data-method="PUT"' in html
    form = html[html.index("<textarea") :]
    assert "&quot;make&quot;: &quot;Audi&quot;" in form
    assert "&quot;id&quot;" not in form  # A body with it would be refused.


def test_others_get_json_whatever_they_prefer(api: APIClient, user: User, as_user: object) -> None:
    assert api.get("/api/cars", HTTP_ACCEPT=HTML)["Content-Type"] == "application/json"
    bearer = as_user(user)  # type: ignore[operator]
    bearer.cookies[settings.SESSION_COOKIE_NAME] = "anything"
    assert bearer.get("/api/cars", HTTP_ACCEPT=HTML)["Content-Type"] == "application/json"


def test_a_session_writes_with_a_csrf_token_only(user: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)

    refused = client.post("/api/cars", {"make": "Audi", "model": "Q3", "year": 2020})

    assert (refused.status_code, Car.objects.count()) == (403, 0)
