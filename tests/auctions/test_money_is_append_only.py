"""PostgreSQL changes no amount, and deletes no row, of what was sold and paid, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from auctions.models import (
    CreditNote,
    InvoiceLine,
    Offer,
    Payout,
    Refund,
    SettlementEvent,
    WebhookEvent,
)
from tests.auctions.factories import InvoiceFactory, OfferFactory, OrderFactory, PaymentFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
FROZEN: dict[str, list[str]] = {
    table: columns.split()
    for table, columns in import_module("auctions.migrations.0007_money_is_append_only").FROZEN.items()
}
# Counted beside the amounts, under the order's lock.
COUNTED = {"invoice": {"paid", "credited"}, "payment": {"refund_reserved"}}
NOW = timezone.now()


def _credit_note() -> CreditNote:
    return CreditNote.objects.create(
        number="SCN-1", year=2020, sequence=1, invoice=InvoiceFactory(), amount=5, reason="R", issued_at=NOW
    )


def _refund() -> Refund:
    payment = PaymentFactory(status="succeeded")
    return Refund.objects.create(payment=payment, order=payment.order, amount=5, currency="USD", reason="R")


MAKE: dict[str, Callable[[], Any]] = {
    "order": OrderFactory,
    "offer": OfferFactory,
    "invoice": InvoiceFactory,
    "invoiceline": lambda: InvoiceLine.objects.create(
        invoice=InvoiceFactory(), position=1, kind="hammer", description="A car", amount=1000
    ),
    "creditnote": _credit_note,
    "payment": PaymentFactory,
    "refund": _refund,
    "payout": lambda: Payout.objects.create(
        order=OrderFactory(), price=1000, fee=10, amount=990, currency="USD", due_at=NOW
    ),
    "settlementevent": lambda: SettlementEvent.objects.create(
        subject="order", subject_id=1, order=OrderFactory(), new="paid", at=NOW
    ),
    "webhookevent": lambda: WebhookEvent.objects.create(
        provider="sandbox", event_id="ev_1", kind="payment.succeeded", body="{}", received_at=NOW
    ),
}
# Another value for each kind of column, which none of the rows above has.
OTHER: dict[type[models.Field], Any] = {
    models.DecimalField: Decimal("987.65"),
    models.CharField: "z",
    models.TextField: "z",
    models.JSONField: {"z": 1},
    models.DateTimeField: datetime(2001, 1, 1, tzinfo=UTC),
    models.ForeignKey: 987_654,
    models.IntegerField: 31_987,
}


def model_of(table: str) -> type[models.Model]:
    return apps.get_model("auctions", table)


def other_value(table: str, column: str) -> Any:
    field: Any = next(field for field in model_of(table)._meta.concrete_fields if field.column == column)
    return next(value for kind, value in OTHER.items() if isinstance(field, kind))


def execute(statement: str, *values: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_every_table_has_a_row_here() -> None:
    assert set(MAKE) == set(FROZEN)


@pytest.mark.parametrize("table", FROZEN)
def test_no_amount_was_forgotten(table: str) -> None:
    fields = model_of(table)._meta.concrete_fields
    amounts = {field.column for field in fields if isinstance(field, models.DecimalField)}
    assert amounts - COUNTED.get(table, set()) <= set(FROZEN[table])


@pytest.mark.parametrize(("table", "column"), [(table, column) for table in FROZEN for column in FROZEN[table]])
def test_a_frozen_column_never_changes(table: str, column: str) -> None:
    row, value = MAKE[table](), other_value(table, column)
    name = next(field.attname for field in row._meta.concrete_fields if field.column == column)
    refused = pytest.raises(IntegrityError, match=f"auctions_{table}.{column} never changes")
    with refused, transaction.atomic():
        type(row)._default_manager.filter(pk=row.pk).update(**{name: value})
    stored = connection.ops.adapt_json_value(value, None) if isinstance(value, dict) else value
    with refused:
        execute(f'UPDATE auctions_{table} SET "{column}" = %s', stored)
    setattr(row, name, value)
    with refused, transaction.atomic():
        row.save(update_fields=[name])


@pytest.mark.parametrize("table", FROZEN)
def test_no_row_is_deleted(table: str) -> None:
    row = MAKE[table]()
    for delete in (row.delete, type(row)._default_manager.filter(pk=row.pk).delete):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            delete()
    with pytest.raises(IntegrityError, match="append-only"):
        execute(f"DELETE FROM auctions_{table}")
    assert type(row)._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        ("order", {"status": "overdue"}),
        ("offer", {"status": "expired", "decided_at": NOW}),
        ("invoice", {"status": "partially_paid", "paid": 5, "credited": 1}),
        ("payment", {"status": "succeeded", "succeeded_at": NOW, "refund_reserved": 1}),
        ("refund", {"status": "approved"}),
        ("payout", {"status": "held"}),
        ("settlementevent", {"told_at": NOW}),
        ("webhookevent", {"processed_at": NOW, "outcome": "applied"}),
    ],
)
def test_what_moves_may_move(table: str, fields: dict[str, Any]) -> None:
    row = MAKE[table]()
    assert type(row)._default_manager.filter(pk=row.pk).update(**fields) == 1


def test_who_says_so_first_may_put_a_demo_back() -> None:
    offer = OfferFactory()
    with transaction.atomic():
        execute("SET LOCAL forecourt.rewrite_log = 'on'")
        Offer.objects.filter(pk=offer.pk).update(amount=1)
        offer.delete()
    assert not Offer.objects.exists()
