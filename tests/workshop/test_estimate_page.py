"""/estimates/{token}: the customer's page, as a plain form without scripts."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from common.logs import RouteOnly, formatter
from tests.factories import VehicleFactory
from tests.workshop.estimates import jobs_of, sent_estimate
from tests.workshop.factories import LabourLineFactory
from workshop.models import EstimateLink, Job, ServiceTicket
from workshop.services import estimates

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> EstimateLink:
    return sent_estimate(customer__name="Casey <b>Customer</b>", description="Squeals.\nOnly when braking.")


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True)


def path(link: EstimateLink) -> str:
    return f"/estimates/{estimates.token_of(link)}"


class Page(HTMLParser):
    """What the tests ask of a page: its tags, its fields, its ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def decide(browser: Client, link: EstimateLink, **decisions: str) -> Any:
    """As the form would: with its token."""
    fields = {
        field["name"]: field.get("value") for field in Page(browser.get(path(link)).content.decode()).all("input")
    }
    brakes, wipers = jobs_of(link)
    names = {"brakes": f"job-{brakes.pk}", "wipers": f"job-{wipers.pk}"}
    chosen = {name: "later" for name in fields if name and name.startswith("job-")}
    chosen |= {names[name]: decision for name, decision in decisions.items()}
    return browser.post(path(link), {"csrfmiddlewaretoken": fields.get("csrfmiddlewaretoken", "")} | chosen)


def states(link: EstimateLink) -> list[str]:
    return list(link.ticket.jobs.order_by("id").values_list("state", flat=True))


def test_it_shows_the_estimate_to_people(browser: Client, link: EstimateLink) -> None:
    answer = browser.get(path(link))
    html = answer.content.decode()
    assert answer.status_code == 200
    for text in (
        link.ticket.number,
        "1HGCM82633A004352",
        "Labour, Dana",
        "1.5&nbsp;h &times; 60.00",
        "132.00",
        "138.00",
    ):
        assert text in html
    assert "Squeals.<br>Only when braking." in html
    assert "Casey &lt;b&gt;Customer&lt;/b&gt;" in html


def test_a_vehicle_is_called_by_its_name(browser: Client) -> None:
    vehicle = VehicleFactory(make="Volvo", model="P1800", year=1970, plate="FC 70")
    html = browser.get(path(sent_estimate(vehicle=vehicle, vin=""))).content.decode()
    assert "<h1>Your 1970 Volvo P1800</h1>" in html
    assert "FC 70" in html


def test_it_is_kept_to_the_customer(browser: Client, link: EstimateLink) -> None:
    """The address is the secret: no cache, no index, no other site may learn it, and nothing is loaded from one."""
    answer = browser.get(path(link))
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert answer["Referrer-Policy"] == "same-origin"
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    page = Page(answer.content.decode())
    assert page.all("script") == page.all("style") == []
    assert not any("style" in attributes for _, attributes in page.tags)
    for attributes in page.all("link") + page.all("img"):
        assert (attributes.get("href") or attributes.get("src") or "").startswith("/static/")


def test_every_field_has_a_label_and_every_choice_a_legend(browser: Client, link: EstimateLink) -> None:
    page = Page(browser.get(path(link)).content.decode())
    radios = [field for field in page.all("input") if field.get("type") == "radio"]
    assert len(radios) == 6
    assert {field["id"] for field in radios} == {label["for"] for label in page.all("label")}
    assert len(page.all("fieldset")) == len(page.all("legend")) == 2
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_decision_leads_back_to_the_page_that_thanks(browser: Client, link: EstimateLink) -> None:
    answer = decide(browser, link, brakes="authorise", wipers="decline")
    assert (answer.status_code, answer["Location"]) == (303, path(link) + "?saved")
    assert states(link) == ["authorised", "declined"]
    html = browser.get(answer["Location"]).content.decode()
    assert "Thank you, we have your decision." in html
    assert "<form" not in html


def test_what_is_left_for_later_stays_open(browser: Client, link: EstimateLink) -> None:
    decide(browser, link, brakes="authorise")
    assert states(link) == ["authorised", "authorisation_required"]
    assert "<form" in browser.get(path(link)).content.decode()


def test_choosing_nothing_says_what_to_do(browser: Client, link: EstimateLink) -> None:
    answer = decide(browser, link)
    assert answer.status_code == 422
    assert "Nothing is chosen yet." in answer.content.decode()
    assert "<title>Not saved: Estimate" in answer.content.decode()


def test_the_form_sent_twice_shows_how_things_stand(browser: Client, link: EstimateLink) -> None:
    brakes, _ = jobs_of(link)
    html = Page(browser.get(path(link)).content.decode())
    (token,) = [field["value"] for field in html.all("input") if field["name"] == "csrfmiddlewaretoken"]
    fields = {"csrfmiddlewaretoken": token, f"job-{brakes.pk}": "authorise"}
    assert browser.post(path(link), fields).status_code == 303
    again = browser.post(path(link), fields)
    assert again.status_code == 409
    assert "one of these jobs is decided already" in again.content.decode()


def test_another_site_cannot_decide(browser: Client, link: EstimateLink) -> None:
    brakes, _ = jobs_of(link)
    assert browser.post(path(link), {f"job-{brakes.pk}": "authorise"}).status_code == 403
    assert states(link) == ["authorisation_required"] * 2


@pytest.mark.parametrize(
    "fields", [{"job-x": "authorise"}, {"job-": "decline"}, {"job-1": "maybe"}, {"job-0": "decline"}]
)
def test_fields_that_the_page_does_not_send_change_nothing(link: EstimateLink, fields: dict[str, str]) -> None:
    answer = Client().post(path(link), fields)
    assert answer.status_code == 400
    assert states(link) == ["authorisation_required"] * 2


def test_a_job_of_another_ticket_is_422(link: EstimateLink) -> None:
    other = LabourLineFactory().job
    answer = Client().post(path(link), {f"job-{other.pk}": "authorise"})
    assert answer.status_code == 422
    other.refresh_from_db()
    assert other.state == Job.State.PROPOSED


def test_a_link_that_is_no_more_has_a_page_that_says_so(browser: Client, link: EstimateLink) -> None:
    assert "This link is not valid" in refused(browser, "/estimates/41.forged", 404)
    ServiceTicket.objects.update(estimate_version=2)
    assert "There is a newer estimate" in refused(browser, path(link), 409)
    EstimateLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "This link is not valid" in refused(browser, path(link), 404)


def refused(browser: Client, path: str, status: int) -> str:
    answer = browser.get(path)
    assert answer.status_code == status
    assert answer["Cache-Control"] == "no-store"
    return answer.content.decode()


def test_an_estimate_that_changed_while_it_was_read_is_not_agreed_to(link: EstimateLink) -> None:
    brakes, _ = jobs_of(link)
    ServiceTicket.objects.update(estimate_version=2)
    answer = Client().post(path(link), {f"job-{brakes.pk}": "authorise"})
    assert answer.status_code == 409
    assert "There is a newer estimate" in answer.content.decode()
    assert states(link) == ["authorisation_required"] * 2


def test_a_closed_ticket_is_shown_without_a_form(link: EstimateLink) -> None:
    brakes, _ = jobs_of(link)
    ServiceTicket.objects.update(status="cancelled")
    html = Client().get(path(link)).content.decode()
    assert "nothing for you to decide" in html
    assert "<form" not in html
    answer = Client().post(path(link), {f"job-{brakes.pk}": "authorise"})
    assert answer.status_code == 409
    assert "This visit is closed" in answer.content.decode()


def test_times_are_those_of_the_customers_zone(browser: Client, make_user: Any) -> None:
    customer = make_user(timezone="Pacific/Auckland")
    link = sent_estimate(customer__user=customer, promised_at=timezone.datetime.fromisoformat("2026-11-27T23:30:00Z"))
    assert "28 November 2026, 12:30" in browser.get(path(link)).content.decode()


def test_too_many_requests_have_a_page_too(browser: Client, link: EstimateLink, settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "2/minute"}
    assert [browser.get(path(link)).status_code for _ in range(2)] == [200, 200]
    answer = browser.get(path(link))
    assert (answer.status_code, answer["RateLimit-Remaining"]) == (429, "0")
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert "Just a moment" in answer.content.decode()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Everything that is logged, as it would be written."""
    written: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    handler = Handler()
    handler.setFormatter(formatter())
    handler.addFilter(RouteOnly())
    logging.root.addHandler(handler)
    yield written
    logging.root.removeHandler(handler)


def test_no_log_line_holds_the_token(browser: Client, link: EstimateLink, lines: list[str]) -> None:
    token = estimates.token_of(link)
    decide(browser, link, brakes="authorise")
    browser.post(path(link), {})  # Refused for want of the form's token, which Django logs with the path.
    browser.get(f"/api{path(link)}")
    browser.get(f"/api/workshop{path(link)}")
    browser.put(path(link))
    assert token not in "\n".join(lines)
    routes = [json.loads(line)["route"] for line in lines if json.loads(line)["event"] == "request"]
    assert {"/estimates/<str:token>", "/api/workshop/estimates/<str:token>"} <= set(routes)
