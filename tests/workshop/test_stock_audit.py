"""The audit finds what went round the services, and nothing else."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.utils import timezone

from accounts.models import User
from common import audits
from tests.workshop.factories import PartFactory, PartLineFactory
from tests.workshop.invoices import issued_invoice
from workshop.models import Invoice, Part, PartLine, StockAudit, StockMovement
from workshop.services import stock
from workshop.services.audit import audit_stock
from workshop.services.credit_notes import Credited, issue_credit_note
from workshop.services.payments import record_payment
from workshop.tasks import audit_stock as task

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def part() -> Part:
    """Ten received, 0.3 of them reserved in two lines, and two more consumed."""
    part: Part = PartFactory(on_hand=10)
    used = PartLineFactory(part=part)
    promised = [PartLineFactory(part=part, quantity=Decimal(quantity)) for quantity in ("0.1", "0.2")]
    stock.reserve(lines=[used, *promised], actor=None, now=NOW)
    stock.consume(lines=[used], actor=None, now=NOW)
    return part


@pytest.fixture
def invoice(user: User) -> Invoice:
    """Partly paid, and partly taken back."""
    invoice = issued_invoice()
    record_payment(invoice=invoice, amount=Decimal("10.10"), method="cash", actor=user, now=NOW)
    one: Credited = {"line": invoice.lines.get(kind="part").pk, "quantity": Decimal(1)}
    issue_credit_note(invoice=invoice, lines=[one], reason="One was left over.", actor=user, now=NOW)
    return invoice


def change(row: Model, **fields: Any) -> None:
    """Round the services."""
    type(row)._default_manager.filter(pk=row.pk).update(**fields)


def found() -> list[tuple[str, int, str, str]]:
    return [(row["kind"], row["id"], row["expected"], row["found"]) for row in audit_stock(now=NOW).details]


def test_what_the_services_wrote_adds_up(part: Part, invoice: Invoice) -> None:
    result = audit_stock(now=NOW)
    assert (result.parts, result.invoices, result.differences, result.details) == (2, 1, 0, [])


def test_stock_that_was_changed_by_hand_is_found(part: Part) -> None:
    change(part, on_hand=9, reserved=1)
    assert found() == [
        ("part_on_hand", part.pk, "8.000", "9.000"),
        ("part_reserved", part.pk, "0.300", "1.000"),
        ("part_reserved_by_lines", part.pk, "0.300", "1.000"),
    ]


def test_a_movement_that_is_missing_is_found(part: Part) -> None:
    movements = part.movements.order_by("id")
    movements.filter(kind="consume").delete()
    assert {kind for kind, *_ in found()} == {"part_on_hand", "part_reserved"}
    movements.filter(kind="receive").delete()
    assert "movement_before" in {kind for kind, *_ in found()}


def test_a_line_that_was_moved_by_hand_is_found(part: Part) -> None:
    PartLine.objects.filter(quantity="0.1").update(stock="none")
    assert found() == [("part_reserved_by_lines", part.pk, "0.200", "0.300")]


def test_a_chain_that_breaks_is_found(part: Part) -> None:
    last = part.movements.first()
    assert last is not None
    StockMovement.objects.filter(pk=last.pk).update(before=11, after=9)
    assert found() == [("movement_before", last.pk, "10.000", "11.000")]


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"paid": 11}, ["invoice_paid"]),
        ({"credited": 11}, ["invoice_credited"]),
        ({"subtotal": 1, "tax_total": 137}, ["invoice_subtotal", "invoice_tax_total"]),
    ],
)
def test_an_invoice_that_was_changed_by_hand_is_found(
    invoice: Invoice, fields: dict[str, Any], kinds: list[str]
) -> None:
    change(invoice, **fields)
    assert [row[0] for row in found() if row[1] == invoice.pk] == kinds


def test_a_payment_that_vanished_is_found(invoice: Invoice) -> None:
    invoice.payments.all().delete()
    assert found() == [("invoice_paid", invoice.pk, "0.00", "10.10")]


def test_a_credit_note_that_was_changed_by_hand_is_found(invoice: Invoice) -> None:
    note = invoice.credit_notes.get()
    change(note.lines.get(), net=1, tax=1)
    assert [row[:2] for row in found()] == [("credit_note_subtotal", note.pk), ("credit_note_tax_total", note.pk)]


def test_the_details_are_capped_and_the_number_is_not(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "MOST_DETAILS", 2)
    change(part, on_hand=9, reserved=1)
    result = audit_stock(now=NOW)
    assert (result.differences, len(result.details)) == (3, 2)


def test_the_command_fails_and_says_what_differs(part: Part) -> None:
    out = io.StringIO()
    call_command("audit_stock", stdout=out)
    assert "0 differences." in out.getvalue()
    change(part, on_hand=9)
    with pytest.raises(CommandError, match="1 differences"):
        call_command("audit_stock", stdout=out)
    assert f"part_on_hand of {part.pk}: expected 8.000, found 9.000." in out.getvalue()


def test_the_daily_task_leaves_a_row_for_the_dashboard(part: Part) -> None:
    task()
    assert StockAudit.objects.get().differences == 0


def test_the_number_of_queries_does_not_grow(part: Part, invoice: Invoice, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(13):
        audit_stock(now=NOW)
    PartFactory.create_batch(5, on_hand=1)
    issued_invoice()
    with django_assert_num_queries(13):
        audit_stock(now=NOW)
