"""What staff lay down in the pages of fee schedules and increment tables goes through the services."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from auctions.fees import DEFAULT_SCHEDULE
from auctions.increments import DEFAULT_TIERS
from auctions.models import FeeSchedule, IncrementTable
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db
STEPS = "999.99: 10\n\nabove: 25.5"
FORM = {
    "name": "Next", "valid_from_0": "2099-01-01", "valid_from_1": "00:00:00", "kind": "percent", "percent": "4.5",
    "minimum": "", "maximum": "4500", "tiers": "", "title_processing": "75.00", "tax_rates": "NY: 8.875\nOR: 0",
    "taxable": ["hammer"], "seller_percent": "2.5",
}  # fmt: skip


@pytest.fixture
def moderator(client: Client, make_user: MakeUser) -> Client:
    client.force_login(make_user(roles=["moderator"]))
    return client


@pytest.fixture
def finance(client: Client, make_user: MakeUser) -> Client:
    client.force_login(make_user(roles=["finance"]))
    return client


@pytest.fixture
def default(db: None) -> IncrementTable:
    IncrementTable.objects.all().delete()
    return IncrementTable.objects.create(name="Vehicles", tiers=DEFAULT_TIERS, is_default=True)


@pytest.fixture
def present(db: None) -> FeeSchedule:
    FeeSchedule.objects.all().delete()
    return FeeSchedule.objects.create(
        name="Standard", **DEFAULT_SCHEDULE, valid_from=timezone.now() - timedelta(days=1)
    )


def errors(answer: object) -> str:
    return str(answer.context["adminform"].form.errors)  # type: ignore[attr-defined]


def page(model: str, verb: str, *args: int) -> str:
    return reverse(f"admin:auctions_{model}_{verb}", args=args)


def test_a_table_is_typed_line_by_line(moderator: Client, default: IncrementTable) -> None:
    answer = moderator.post(page("incrementtable", "add"), {"name": "Boats", "tiers": STEPS})
    assert answer.status_code == 302, errors(answer)
    table = IncrementTable.objects.get(name="Boats")
    assert table.tiers == [{"up_to": "999.99", "step": "10.00"}, {"up_to": None, "step": "25.50"}]
    url = page("incrementtable", "change", table.pk)
    assert "999.99: 10.00\nabove: 25.50" in moderator.get(url).content.decode()
    assert moderator.post(url, {"name": "Yachts", "tiers": "above: 5"}).status_code == 302
    table.refresh_from_db()
    assert (table.name, table.tiers, table.is_default) == ("Yachts", [{"up_to": None, "step": "5.00"}], False)


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        ("999.99: 10", "Tier 1: The last tier"), ("9: 2\nabove: 1", "Tier 2: A step must not be below"),
        ("9 2\nabove: 1", "no colon"), ("nine: 2\nabove: 3", "no number"), ("above: NaN", "no amount"),
        ("", "required"), ("above: 1e99", "no amount"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_stands_in_the_form(
    moderator: Client, default: IncrementTable, tiers: str, expected: str
) -> None:
    answer = moderator.post(page("incrementtable", "add"), {"name": "Boats", "tiers": tiers})
    assert answer.status_code == 200
    assert expected in str(answer.context["adminform"].form.errors["tiers"])
    assert IncrementTable.objects.get() == default


def test_a_button_makes_the_default_and_the_default_has_no_delete(moderator: Client, default: IncrementTable) -> None:
    other = IncrementTable.objects.create(name="Boats", tiers=DEFAULT_TIERS)
    assert moderator.post(page("incrementtable", "delete", default.pk), {"post": "yes"}).status_code == 403
    moderator.get(page("incrementtable", "make_default", other.pk))
    assert IncrementTable.objects.get(is_default=True) == other
    assert moderator.post(page("incrementtable", "delete", default.pk), {"post": "yes"}).status_code == 302
    assert IncrementTable.objects.get() == other


def test_a_schedule_is_laid_down_and_changed_until_its_time(finance: Client, present: FeeSchedule) -> None:
    answer = finance.post(page("feeschedule", "add"), FORM)
    assert answer.status_code == 302, errors(answer)
    coming = FeeSchedule.objects.get(name="Next")
    assert (coming.percent, coming.minimum, coming.maximum) == (Decimal("4.50"), None, Decimal(4500))
    assert coming.seller_percent == Decimal("2.50")
    assert (coming.tax_rates, coming.taxable) == ({"NY": "8.875", "OR": "0.000"}, ["hammer"])
    changed = {"kind": "marginal", "percent": "", "maximum": "", "tiers": "1000: 15\nabove: 4"}
    answer = finance.post(page("feeschedule", "change", coming.pk), FORM | changed)
    assert answer.status_code == 302, errors(answer)
    coming.refresh_from_db()
    assert coming.tiers == [{"up_to": "1000.00", "percent": "15.00"}, {"up_to": None, "percent": "4.00"}]
    shown = finance.get(page("feeschedule", "changelist")).content.decode()
    for text in ("in force", "to come", "2 tiers, 15.00 % of the first", "5.00 %, at least 250.00, at most 7500.00"):
        assert text in shown


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"percent": ""}, "percent"), ({"seller_percent": "101"}, "seller_percent"), ({"minimum": "9999"}, "minimum"),
     ({"tax_rates": "York: 8"}, "tax_rates"),
     ({"tiers": "above: 1"}, "tiers"), ({"valid_from_0": "2020-01-01"}, "valid_from"), ({"name": "Standard"}, "name")],
)  # fmt: skip
def test_what_is_wrong_with_a_schedule_stands_in_the_form(
    finance: Client, present: FeeSchedule, changes: dict[str, str], field: str
) -> None:
    answer = finance.post(page("feeschedule", "add"), FORM | changes)
    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert FeeSchedule.objects.get() == present


def test_what_is_in_force_can_only_be_read(finance: Client, present: FeeSchedule) -> None:
    url = page("feeschedule", "change", present.pk)
    assert finance.get(url).status_code == 200
    assert finance.post(url, FORM).status_code == 403
    assert finance.post(page("feeschedule", "delete", present.pk), {"post": "yes"}).status_code == 403
    assert FeeSchedule.objects.get().name == "Standard"


def test_other_staff_do_not_enter(moderator: Client, present: FeeSchedule, default: IncrementTable) -> None:
    assert moderator.get(page("feeschedule", "changelist")).status_code == 403
    assert moderator.get(page("feeschedule", "change", present.pk)).status_code in (302, 403)
