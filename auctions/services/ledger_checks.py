"""What has to hold of all that was sold (settlement.md, "Ledger invariants"): each check is one statement over all
rows, which answers those that are wrong. Some of it the database refuses anyhow; the audit asks whether it did."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
    Window,
)
from django.db.models.fields import DecimalField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Abs, Cast, Coalesce, Concat, Lag, Least

from accounts.models import User
from auctions.models import (
    AuctionLogEntry,
    CreditNote,
    GatePass,
    Invoice,
    InvoiceLine,
    Offer,
    Order,
    Payment,
    Payout,
    Refund,
    SaleSequence,
    SettlementEvent,
    TitleTransfer,
    TransportOrder,
)
from auctions.models.orders import DEAD_ORDER, PAID_ORDER, UNPAID_ORDER
from auctions.services.settling import GOING_BACK
from cars.models import VehicleEvent
from common.audits import Check, differing, rounded, stored_sum, sum_of
from common.money import CENT

Subject = SettlementEvent.Subject
PAID_OR_LATER = [*PAID_ORDER, "disputed"]
AMOUNT = Invoice._meta.get_field("total")
BALANCE = rounded(F("total") - F("credited") - F("paid"), AMOUNT)
OWED = rounded(F("invoice__total") - F("invoice__credited") - F("invoice__paid"), AMOUNT)
# What an unpaid order owes beside: it is not paid with what is on its way back.
PROMISED = Refund.objects.filter(status__in=GOING_BACK, order__status__in=UNPAID_ORDER)


def checks() -> Iterator[Check]:
    """All of them; each asks when it is read."""
    yield from _payments()
    yield from _invoices()
    yield from _credit_notes()
    yield from _numbers()
    yield from _orders()
    yield from _payouts()
    yield from _delivery()
    yield from _currencies()
    yield from _events()


def _payments() -> Iterator[Check]:
    """No payment gives back more than came in."""
    payments, asked = Payment.objects.all(), Refund.objects.exclude(status=Refund.Status.REJECTED)
    reserved = Refund.objects.filter(status__in=[*GOING_BACK, Refund.Status.DONE])
    yield stored_sum("payment_refund_reserved", payments, "refund_reserved", reserved, "payment", "amount")
    together = payments.annotate(asked=rounded(sum_of(asked, "payment", "amount"), AMOUNT))
    too_much = together.filter(asked__gt=F("amount")).order_by("pk")
    yield Check("payment_refunds", too_much.values_list("pk", "amount", "asked"))
    unpaid = asked.exclude(payment__status=Payment.Status.SUCCEEDED).order_by("pk")
    yield Check("refund_of_no_money", unpaid.values_list("pk", Value("succeeded"), "payment__status"))
    yield Check("refund_order", differing(Refund.objects.all(), expected=F("payment__order_id"), found="order_id"))
    loose = payments.filter(status=Payment.Status.SUCCEEDED, order__invoice=None).order_by("pk")
    yield Check("payment_without_invoice", loose.values_list("pk", Value("an invoice"), Value("none")))


def _invoices() -> Iterator[Check]:
    """What is counted on an invoice is what its rows say, and its status is what the figures say."""
    invoices, lines = Invoice.objects.all(), InvoiceLine.objects.all()
    came = sum_of(Payment.objects.filter(status="succeeded"), "order", "amount", of="order_id")
    went = sum_of(Refund.objects.filter(status="done"), "order", "amount", of="order_id")
    yield Check("invoice_paid", differing(invoices, expected=rounded(came - went, AMOUNT), found="paid"))
    yield stored_sum("invoice_credited", invoices, "credited", CreditNote.objects.all(), "invoice", "amount")
    yield stored_sum("invoice_subtotal", invoices, "subtotal", lines.exclude(kind="tax"), "invoice", "amount")
    yield stored_sum("invoice_tax_total", invoices, "tax_total", lines.filter(kind="tax"), "invoice", "amount")
    yield stored_sum("invoice_total", invoices, "total", lines, "invoice", "amount")
    hammer = invoices.annotate(hammer=rounded(sum_of(lines.filter(kind="hammer"), "invoice", "amount"), AMOUNT))
    yield Check("invoice_hammer", differing(hammer, expected=F("order__hammer_price"), found="hammer"))
    owed = rounded(BALANCE + sum_of(PROMISED, "order", "amount", of="order_id"), AMOUNT)
    yield Check("invoice_status", differing(invoices.annotate(owed=owed), expected=_STATUS, found="status"))


# Overdue is taken for what it says: nobody writes it at the very moment at which the due date passes.
_STATUS = Case(
    When(credited=F("total"), then=Value("void")),
    When(owed__lte=0, then=Value("paid")),
    When(status="overdue", then=Value("overdue")),
    When(paid__gt=0, then=Value("partially_paid")),
    default=Value("open"),
    output_field=CharField(),
)


def _credit_notes() -> Iterator[Check]:
    wrong = ~Q(refund__status="done") | Q(amount__gt=F("refund__amount")) | ~Q(refund__order=F("invoice__order"))
    notes = CreditNote.objects.filter(wrong, refund__isnull=False).order_by("pk")
    yield Check("credit_note_refund", notes.values_list("pk", "refund__amount", "amount"))
    yield Check("refund_credit_note", _wrongly_credited())


# An order's money in the order of its events, which is that of its lock: paid, refunded, credited. What was paid too
# much when a refund was done needed no credit note, nor did what went back before the order was paid.
_WRONGLY_CREDITED = """
WITH entries AS (
    SELECT event.order_id, event.id AS event_id, NULL AS refund_id, 0 AS amount, 0 AS note, payment.amount AS moved
      FROM auctions_settlementevent event JOIN auctions_payment payment ON payment.id = event.subject_id
     WHERE event.subject = 'payment' AND event.new = 'succeeded'
    UNION ALL
    SELECT event.order_id, event.id, refund.id, refund.amount, COALESCE(note.amount, 0),
           COALESCE(note.amount, 0) - refund.amount
      FROM auctions_settlementevent event JOIN auctions_refund refund ON refund.id = event.subject_id
      LEFT JOIN auctions_creditnote note ON note.refund_id = refund.id
     WHERE event.subject = 'refund' AND event.new = 'done'
    UNION ALL
    SELECT event.order_id, event.id, NULL, 0, 0, note.amount
      FROM auctions_settlementevent event JOIN auctions_creditnote note ON note.id = event.subject_id
     WHERE event.subject = 'credit_note' AND note.refund_id IS NULL
), steps AS (
    SELECT entries.*, ROUND(COALESCE(SUM(moved) OVER (PARTITION BY entries.order_id ORDER BY event_id
             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) - invoice.total, 2) AS credit
      FROM entries JOIN auctions_invoice invoice ON invoice.order_id = entries.order_id
), judged AS (
    SELECT refund_id, note,
           CASE WHEN NOT EXISTS (SELECT 1 FROM auctions_settlementevent paid
                                  WHERE paid.order_id = steps.order_id AND paid.id < steps.event_id
                                    AND paid.subject = 'order' AND paid.new = 'paid') THEN 0
                WHEN credit <= 0 THEN amount WHEN credit >= amount THEN 0 ELSE amount - credit END AS expected
      FROM steps WHERE refund_id IS NOT NULL
)
SELECT refund_id, expected, note FROM judged WHERE ROUND(expected - note, 2) <> 0 ORDER BY refund_id
"""


def _wrongly_credited() -> Iterator[tuple[int, Decimal, Decimal]]:
    """Refunds whose credit note is not over the part that was no overpayment."""
    with connection.cursor() as cursor:
        cursor.execute(_WRONGLY_CREDITED)
        rows = cursor.fetchall()
    for refund, expected, note in rows:  # SQLite answers numbers that are no decimals.
        yield refund, Decimal(str(expected)).quantize(CENT), Decimal(str(note)).quantize(CENT)


def _numbers() -> Iterator[Check]:
    """Numbered from 1 on in each year, without a gap, as far as the sequence says."""
    for kind, model in ((SaleSequence.Kind.INVOICE, Invoice), (SaleSequence.Kind.CREDIT_NOTE, CreditNote)):
        before = Coalesce(Window(Lag("sequence"), partition_by="year", order_by="sequence"), Value(0))
        numbered: QuerySet[Any] = model._default_manager.all()
        yield Check(f"{kind}_number_gap", differing(numbered, expected=before + 1, found="sequence"))
        of_year = numbered.filter(year=OuterRef("year")).order_by()
        last = Subquery(of_year.values("year").annotate(last=Max("sequence")).values("last"))
        sequences = SaleSequence.objects.filter(kind=kind)
        yield Check(f"{kind}_number_last", differing(sequences, expected=Coalesce(last, Value(0)), found="last"))


def _orders() -> Iterator[Check]:
    """Paid or later <=> nothing is owed, nor promised back before; sold once, for what was bid or agreed on."""
    orders = Order.objects.order_by("pk")
    owing = orders.filter(status__in=PAID_OR_LATER).annotate(owed=OWED).filter(Q(invoice=None) | Q(owed__gt=0))
    yield Check("order_paid", owing.values_list("pk", Value("nothing owed"), "owed"))
    owed = rounded(OWED + sum_of(PROMISED, "order", "amount"), AMOUNT)
    settled = orders.filter(status__in=UNPAID_ORDER).annotate(owed=owed).filter(owed__lte=0)
    yield Check("order_unpaid", settled.values_list("pk", Value("paid"), "status"))
    dead = orders.filter(status__in=DEAD_ORDER, invoice__isnull=False).exclude(invoice__status="void")
    yield Check("dead_order_invoice", dead.values_list("pk", Value("void"), "invoice__status"))
    live = Order.objects.live().order_by("listing").values("listing").annotate(live=Count("pk")).filter(live__gt=1)
    yield Check("listing_live_orders", live.values_list("listing", Value(1), "live"))
    agreed = Coalesce(F("offer__amount"), F("auction__price"), F("hammer_price"))
    yield Check("order_price", differing(orders, expected=agreed, found="hammer_price"))
    by_offer = orders.filter(offer__isnull=False)
    strange = by_offer.exclude(offer__status="accepted", offer__buyer=F("buyer"), offer__listing=F("listing"))
    yield Check("order_offer", strange.values_list("pk", Value("accepted"), "offer__status"))
    yield Check("exposure", _over_the_limit())


def _over_the_limit() -> QuerySet[Any]:
    """Buyers whose unpaid orders exceed their limit, as far as it can be told: a limit has no history, so only those
    count whose row has not changed since before the oldest of these sales began. It holds when a bid or an offer is
    accepted; what the bids that are left after a void came to may exceed it."""
    began = Least(Coalesce(F("auction__opened_at"), F("created_at")), Coalesce(F("offer__created_at"), F("created_at")))
    voided = AuctionLogEntry.objects.filter(auction=OuterRef("auction"), kind=AuctionLogEntry.Kind.VOID)
    orders = Order.objects.filter(~Exists(voided), status__in=UNPAID_ORDER, buyer=OuterRef("pk"))
    unpaid = orders.order_by().values("buyer")
    owed = Subquery(unpaid.annotate(owed=Sum("hammer_price")).values("owed"))
    first = Subquery(unpaid.annotate(first=Min(began)).values("first"))
    buyers = User.objects.filter(bid_limit__isnull=False).annotate(owed=owed, first=first)
    over = buyers.filter(owed__gt=F("bid_limit"), updated_at__lte=F("first")).order_by("pk")
    return over.values_list("pk", "bid_limit", "owed")


def _payouts() -> Iterator[Check]:
    """The price less the seller's fee, and held while there is a dispute."""
    payouts = Payout.objects.order_by("pk")
    yield Check("payout_price", differing(payouts, expected=F("order__hammer_price"), found="price"))
    yield Check("payout_amount", differing(payouts, expected=rounded(F("price") - F("fee"), AMOUNT), found="amount"))
    percent = Cast(
        KeyTextTransform("seller_percent", "order__fee_schedule"), DecimalField(max_digits=5, decimal_places=2)
    )
    exact = Coalesce(F("price") * percent / 100, Decimal(0), output_field=DecimalField(max_digits=19, decimal_places=6))
    # To the cent it is rounded half up; SQLite's floats do not tell on which side of half a cent they are.
    off = Abs(F("fee") - F("exact"), output_field=DecimalField(max_digits=19, decimal_places=6))
    wrong_fee = payouts.annotate(exact=exact, off=off).filter(off__gt=Decimal("0.00501"))
    yield Check("payout_fee", wrong_fee.values_list("pk", "exact", "fee"))
    goes_on = Q(status="due", order__status__in=PAID_ORDER) | Q(status="held", order__status="disputed")
    odd = payouts.filter(status__in=["due", "held"]).exclude(goes_on)
    yield Check("payout_status", odd.values_list("pk", "order__status", "status"))


def _delivery() -> Iterator[Check]:
    """One right to each car, and none where something stands against it; a title that is through, in the vehicle's own
    history."""
    passes = GatePass.objects.filter(revoked_at=None)
    several = passes.order_by("order").values("order").annotate(number=Count("pk")).filter(number__gt=1)
    yield Check("order_gate_passes", several.values_list("order", Value(1), "number"))
    refunds = Refund.objects.filter(order=OuterRef("order_id"), status__in=GOING_BACK)
    owing = Invoice.objects.annotate(owed=BALANCE).filter(order=OuterRef("order_id"), owed__gt=0)
    against = ~Q(order__status__in=PAID_ORDER) | Exists(refunds) | Exists(owing)
    stopped = passes.filter(against, used_at=None).order_by("pk")
    yield Check("gate_pass_on_hold", stopped.values_list("pk", Value("revoked"), "order__status"))
    told = VehicleEvent.objects.filter(
        vehicle=OuterRef("order__listing__vehicle_id"),
        kind=VehicleEvent.Kind.TITLE_TRANSFERRED,
        reference=Concat(Value("order:"), Cast(OuterRef("order_id"), TextField())),
    )
    number = Subquery(told.order_by().values("reference").annotate(number=Count("pk")).values("number"))
    titles = TitleTransfer.objects.annotate(told=Coalesce(number, Value(0)))
    wanted = Case(When(status="completed", then=1), default=0, output_field=IntegerField())
    yield Check("title_vehicle_event", differing(titles, expected=wanted, found="told"))


def _currencies() -> Iterator[Check]:
    """One currency from the auction or the listing down to the payout."""
    sold_in = Coalesce(F("auction__currency"), F("listing__currency"))
    yield Check("order_currency", differing(Order.objects.all(), expected=sold_in, found="currency"))
    for model in (Invoice, Payment, Refund, Payout, TransportOrder):
        rows: QuerySet[Any] = model._default_manager.all()
        kind = f"{model._meta.model_name}_currency"
        yield Check(kind, differing(rows, expected=F("order__currency"), found="currency"))


def _events() -> Iterator[Check]:
    """The last event of each row names its status; what has none was issued, used or revoked."""
    for model, subject in (
        (Offer, Subject.OFFER),
        (Order, Subject.ORDER),
        (Payment, Subject.PAYMENT),
        (Refund, Subject.REFUND),
        (TitleTransfer, Subject.TITLE_TRANSFER),
        (TransportOrder, Subject.TRANSPORT_ORDER),
        (Payout, Subject.PAYOUT),
    ):
        stated: QuerySet[Any] = model._default_manager.annotate(told=_told(subject, model.Status.values))
        yield Check(f"{subject}_event", differing(stated, expected=F("told"), found="status"))
    for document, subject in ((Invoice, Subject.INVOICE), (CreditNote, Subject.CREDIT_NOTE)):
        issued: QuerySet[Any] = document._default_manager.annotate(told=_told(subject, ["issued"]))
        yield Check(f"{subject}_event", differing(issued, expected=Value("issued"), found="told"))
    used = When(used_at__isnull=False, then=Value("used"))
    revoked = When(revoked_at__isnull=False, then=Value("revoked"))
    state = Case(revoked, used, default=Value("issued"), output_field=CharField())
    passes = GatePass.objects.annotate(told=_told(Subject.GATE_PASS, ["issued", "used", "revoked"]))
    yield Check("gate_pass_event", differing(passes, expected=state, found="told"))


def _told(subject: str, known: list[str]) -> Coalesce:
    """The newest of these words in a row's history; others, as that a title is late, change no status."""
    events = SettlementEvent.objects.filter(subject=subject, subject_id=OuterRef("pk"), new__in=known)
    return Coalesce(Subquery(events.order_by("-id").values("new")[:1]), Value(""))
