"""Every staff page opens, costs the same whatever it holds, and each role sees only what is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.widgets import AutocompleteMixin, FilteredSelectMultiple
from django.db import connection, models
from django.forms import DecimalField, Field, ModelChoiceField
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from tests.admin.rows import one_of_everything
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db
PAGES = sorted(admin.site._registry.items(), key=lambda page: page[0]._meta.label)
OF_PARENT = "stands on its parent's page"
# Models without a page of their own, and why.
WITHOUT_PAGE = {
    "accounts.IdempotencyRecord": "holds whole answers of people's own requests",
    "auctions.AuctionBidder": OF_PARENT,
    "auctions.InvoiceLine": OF_PARENT,
    "auctions.ListingDocument": OF_PARENT,
    "auctions.ListingEvent": OF_PARENT,
    "auctions.ListingImage": OF_PARENT,
    "auctions.SaleSequence": "a counter, which nobody may touch",
    "auth.Permission": "chosen on the page of a role",
    "cars.HistoricalCar": "the history of a car's page",
    "cars.OdometerReading": OF_PARENT,
    "contenttypes.ContentType": "Django's own list of models",
    "django_celery_beat.ClockedSchedule": "no job of ours is asked for once",
    "django_celery_beat.PeriodicTasks": "the scheduler's own mark of the last change",
    "django_celery_beat.SolarSchedule": "no job of ours follows the sun",
    "parking.Rate": OF_PARENT,
    "parking.ReservationEvent": OF_PARENT,
    "sessions.Session": "keys that open the admin",
    "workshop.CreditNoteLine": OF_PARENT,
    "workshop.Delivery": OF_PARENT,
    "workshop.DocumentSequence": "a counter, which nobody may touch",
    "workshop.FeeLine": OF_PARENT,
    "workshop.InvoiceLine": OF_PARENT,
    "workshop.LabourLine": OF_PARENT,
    "workshop.PartLine": OF_PARENT,
    "workshop.PurchaseOrderLine": OF_PARENT,
    "workshop.TicketEvent": OF_PARENT,
}
FEW = "a handful of rows"
WITHOUT_SEARCH = {
    "accounts.Heartbeat": FEW,
    "auctions.LedgerAudit": "a row a day, found by its day",
    "cars.SyncSource": FEW,
    "workshop.StockAudit": "a row a day, found by its day",
}
WITHOUT_FILTER = {
    "accounts.Heartbeat": FEW,
    "auctions.IncrementTable": FEW,
    "auctions.TitleDeadline": "a row a state, found by it",
    "auth.Group": FEW,
    "cars.SyncSource": FEW,
    "workshop.Supplier": "found by its name",
}
SMALL = {"django_celery_beat.CrontabSchedule", "django_celery_beat.IntervalSchedule"}
# What staff lay down; what was sold, paid or moved is typed nowhere.
LAID_DOWN = {
    "accounts.User.bid_limit",
    *(f"auctions.FeeSchedule.{name}" for name in ("maximum", "minimum", "percent", "seller_percent")),
    "auctions.FeeSchedule.title_processing",
    "auctions.TitleDeadline.state",  # Of the United States.
    "parking.Lot.cap",
    "parking.Lot.price",
    "workshop.Mechanic.hourly_rate",
    *(f"workshop.Part.{name}" for name in ("cost", "low_stock_threshold", "price")),
    *(f"workshop.Product.{name}" for name in ("depth", "height", "length", "price")),
}
NOT_IN_SIDEBAR = {
    "django_celery_beat.CrontabSchedule": "reached from a schedule's page",
    "django_celery_beat.IntervalSchedule": "reached from a schedule's page",
}


@pytest.fixture
def staff(client: Client) -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client.force_login(user)
        return client

    return sign_in


def url_of(model: type[models.Model], view: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


def labels(rows: object) -> set[str]:
    return {model._meta.label for model in rows}  # type: ignore[attr-defined]


def test_every_model_has_a_page_or_a_reason() -> None:
    assert labels(set(apps.get_models()) - set(admin.site._registry)) == set(WITHOUT_PAGE)
    shown = {inline.model for _, page in PAGES for inline in page.inlines}
    parts = {label for label, reason in WITHOUT_PAGE.items() if reason == OF_PARENT}
    assert parts <= labels(shown)


def test_lists_can_be_searched_and_filtered() -> None:
    assert labels(model for model, page in PAGES if not page.search_fields) == set(WITHOUT_SEARCH)
    assert labels(model for model, page in PAGES if not page.list_filter) == set(WITHOUT_FILTER)


def test_lists_say_more_than_a_name_and_count_no_more_than_they_show() -> None:
    for model, page in PAGES:
        label = model._meta.label
        assert len(page.list_display) >= 2, label
        assert page.list_per_page <= 100, label
        assert page.list_max_show_all <= 200, label
        assert not page.show_full_result_count, label
        assert page.ordering or model._meta.ordering, f"{label} has no order"


@pytest.fixture
def asked(rf: RequestFactory) -> HttpRequest:
    request = rf.get("/")
    request.user = User(is_superuser=True, is_active=True)
    return request


def fields_typed(request: HttpRequest) -> Iterator[tuple[str, Field]]:
    """What somebody who may do everything types in the pages' forms."""
    for model, page in PAGES:
        if page.has_add_permission(request) or page.has_change_permission(request):
            for name, field in page.get_form(request, model()).base_fields.items():
                yield f"{model._meta.label}.{name}", field


def test_no_form_offers_a_select_of_a_large_table(asked: HttpRequest) -> None:
    """Where rows are many, the reference is shown or searched for."""
    selects = {
        name: field.queryset.model._meta.label
        for name, field in fields_typed(asked)
        if isinstance(field, ModelChoiceField) and not is_searched(field)
    }
    assert set(selects.values()) <= SMALL, selects


def is_searched(field: ModelChoiceField) -> bool:
    widget = getattr(field.widget, "widget", field.widget)
    return isinstance(widget, AutocompleteMixin | FilteredSelectMultiple)


def test_status_and_money_are_typed_nowhere(asked: HttpRequest) -> None:
    names = {name for name, field in fields_typed(asked) if isinstance(field, DecimalField)}
    names |= {name for name, _ in fields_typed(asked) if name.endswith((".status", ".state"))}
    assert names == LAID_DOWN


def test_pages_open_and_lists_cost_the_same_whatever_their_length(
    admin_user: User, staff: Callable[[User], Client]
) -> None:
    """What a list costs with two rows of everything it costs with five; a page of a row opens, and a search too."""
    client = staff(admin_user)
    for number in (1, 2):
        one_of_everything(number)
    few = {model: statements(client, url_of(model, "changelist")) for model, _ in PAGES}
    for model, _ in PAGES:
        assert client.get(url_of(model, "changelist"), {"q": "x"}).status_code == 200
        row = model._default_manager.first()
        assert row is not None, f"no row of {model._meta.label}"
        assert client.get(url_of(model, "change", row.pk)).status_code == 200, model
    for number in (3, 4, 5):
        one_of_everything(number)
    many = {model: statements(client, url_of(model, "changelist")) for model, _ in PAGES}
    assert {model._meta.label: (few[model], many[model]) for model in few if few[model] != many[model]} == {}
    assert max(many.values()) <= 15


def statements(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200, url
    return len(queries)


def test_the_sidebar_leads_to_every_page(admin_user: User, staff: Callable[[User], Client]) -> None:
    shown = staff(admin_user).get(reverse("admin:index")).content.decode()
    missing = labels(model for model, _ in PAGES if f'href="{url_of(model, "changelist")}"' not in shown)
    assert missing == set(NOT_IN_SIDEBAR)


@pytest.mark.parametrize(
    "role", ["mechanic", "service_advisor", "parking_manager", "parking_attendant", "moderator", "finance"]
)
def test_a_role_opens_what_its_sidebar_shows_and_nothing_else(
    role: str, make_user: MakeUser, staff: Callable[[User], Client]
) -> None:
    client = staff(make_user(roles=[role]))
    shown = client.get(reverse("admin:index")).content.decode()
    for model, _ in PAGES:
        url = url_of(model, "changelist")
        expected = 200 if f'href="{url}"' in shown else 403
        assert client.get(url).status_code == expected, (role, url)
    assert f'href="{url_of(LogEntry, "changelist")}"' not in shown


def test_a_customer_does_not_enter(user: User, staff: Callable[[User], Client]) -> None:
    answer = staff(user).get(reverse("admin:index"))
    assert answer.status_code == 302
    assert "login" in answer["Location"]
