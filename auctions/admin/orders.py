"""Staff pages of orders: what finance does about a sale as a whole, and everything that happened in it."""

from __future__ import annotations

from functools import partial

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from auctions.admin.settlement import EventInline, PartInline, SettlementAdmin, holding, more
from auctions.models import (
    GatePass,
    Invoice,
    Order,
    Payment,
    Payout,
    Refund,
    SettlementEvent,
    TitleTransfer,
    TransportOrder,
)
from auctions.models.orders import DEAD_ORDER, UNPAID_ORDER
from auctions.serializers.orders import RESOLUTIONS
from auctions.services import invoicing, orders, payments
from auctions.services.settling import ORDER_MOVES
from common.admin import ReadOnlyAdmin, ReasonForm, amount_field, button, change_column, money_column, text_field
from common.transitions import sources_of

Status = Order.Status
RESOLUTION_TEXTS = ("The sale goes on", "The sale is undone, and the money goes back")


class PaymentForm(forms.Form):
    """A wire that has arrived."""

    amount = amount_field(max_digits=15)
    reference = text_field(max_length=64)


class ResolutionForm(forms.Form):
    """How a dispute ends."""

    outcome = forms.ChoiceField(
        choices=list(zip(RESOLUTIONS, RESOLUTION_TEXTS, strict=True)),
        widget=UnfoldAdminSelectWidget,
    )
    reason = forms.CharField(
        max_length=500, strip=True, required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4})
    )


class InvoiceInline(PartInline):
    """What the buyer owes."""

    model = Invoice
    fields = readonly_fields = ("show_link", "status", "total", "paid", "credited", "issued_at", "due_at")


class PaymentInline(PartInline):
    """The attempts to pay."""

    model = Payment
    fields = readonly_fields = (
        "show_link", "provider", "amount", "status", "reference", "refund_reserved", "succeeded_at",
    )  # fmt: skip


class RefundInline(PartInline):
    """What goes back."""

    model = Refund
    fields = readonly_fields = ("show_link", "amount", "status", "reason", "failure", "done_at")


class TitleInline(PartInline):
    """The papers."""

    model = TitleTransfer
    fields = readonly_fields = (
        "show_link", "status", "title_state", "due_at", "overdue_at", "received_at", "completed_at",
    )  # fmt: skip


class TransportInline(PartInline):
    """The way to the buyer."""

    model = TransportOrder
    fields = readonly_fields = (
        "show_link", "status", "quoted_price", "carrier", "pickup_on", "delivery_on", "delivered_at",
    )  # fmt: skip


class GatePassInline(PartInline):
    """The right to the car, without its code."""

    model = GatePass
    fields = readonly_fields = ("show_link", "issued_at", "used_at", "revoked_at", "revoked_reason")


class PayoutInline(PartInline):
    """What the seller gets."""

    model = Payout
    fields = readonly_fields = ("show_link", "price", "fee", "amount", "status", "due_at", "paid_at", "reference")


def _invoice_of(order: Order) -> Invoice | None:
    return getattr(order, "invoice", None)


def _may_invoice(order: Order) -> bool:
    return order.status in UNPAID_ORDER and _invoice_of(order) is None


def _may_be_paid(order: Order) -> bool:
    return order.status not in DEAD_ORDER and _invoice_of(order) is not None


def _may_be_completed(order: Order) -> bool:
    """A dispute that has interrupted a completed order is resolved instead."""
    title = getattr(order, "title_transfer", None)
    is_there = order.status in sources_of(ORDER_MOVES, Status.COMPLETED) - {Status.DISPUTED}
    return is_there and title is not None and title.status == TitleTransfer.Status.COMPLETED


def _may_be_cancelled(order: Order) -> bool:
    """What was paid is refunded first."""
    invoice = _invoice_of(order)
    is_unpaid = invoice is None or invoice.paid == 0
    return is_unpaid and order.status in sources_of(ORDER_MOVES, Status.CANCELLED)


@admin.register(Order)
class OrderAdmin(SettlementAdmin):
    """What was sold to whom, at which price, and how far it is. Queues are the filters by status."""

    list_display = (
        "order_number", "listing", "buyer", "seller", "show_price", "show_status", "payment_due_at",
    )  # fmt: skip
    list_filter = ("status", "delivery", "currency", "created_at", "payment_due_at")
    list_select_related = ("listing", "buyer", "seller")
    search_fields = ("order_number", "buyer__email", "seller__email", "listing__vin", "invoice__number")
    fields = (
        ("order_number", "status"), ("listing", "show_price"), ("buyer", "seller"), ("auction", "offer"),
        ("created_at", "delivery"), ("payment_due_at", "default_at"), ("paid_at", "disputed_from"), "chances_ended_at",
    )  # fmt: skip
    readonly_fields = ("show_price",)  # The inline of events is the history.
    inlines = [
        InvoiceInline, PaymentInline, RefundInline, TitleInline, TransportInline, GatePassInline, PayoutInline,
        EventInline,
    ]  # fmt: skip
    id_argument = "order_id"
    has_invoice_permission = holding("auctions.add_invoice")
    has_payment_permission = holding("auctions.add_payment")
    has_decide_permission = holding("auctions.change_order")
    actions_detail = ["issue_invoice", "record_payment", "complete", more("dispute", "resolve", "cancel")]

    show_price = money_column("hammer_price")

    @button(
        description="Issue the invoice",
        permissions=["invoice"],
        url_path="invoice",
        icon="receipt",
        offered=_may_invoice,
    )
    def issue_invoice(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The invoice is issued."
        return self.act(request, object_id, "Issue the invoice", invoicing.invoice_order, done=done)

    @button(
        description="Record a wire", permissions=["payment"], url_path="payment", icon="payments", offered=_may_be_paid
    )
    def record_payment(self, request: HttpRequest, object_id: str) -> HttpResponse:
        pay = partial(payments.start_payment, provider=Payment.Provider.MANUAL)
        return self.act(
            request, object_id, "Record a wire", pay, form_class=PaymentForm, done="The payment is recorded."
        )

    @button(
        description="Dispute", permissions=["decide"], url_path="dispute", icon="gavel",
        offered=sources_of(ORDER_MOVES, Status.DISPUTED),
    )  # fmt: skip
    def dispute(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The order is on hold."
        return self.act(request, object_id, "Dispute", orders.dispute_order, form_class=ReasonForm, done=done)

    @button(
        description="Resolve the dispute", permissions=["decide"], url_path="resolve", icon="balance",
        offered={Status.DISPUTED},
    )  # fmt: skip
    def resolve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The dispute is over."
        title = "Resolve the dispute"
        return self.act(request, object_id, title, orders.resolve_dispute, form_class=ResolutionForm, done=done)

    @button(
        description="Complete", permissions=["decide"], url_path="complete", icon="check", offered=_may_be_completed
    )
    def complete(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(request, object_id, "Complete", orders.complete_order, done="The order is completed.")

    @button(description="Cancel", permissions=["decide"], url_path="cancel", icon="cancel", offered=_may_be_cancelled)
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The order is cancelled."
        return self.act(request, object_id, "Cancel", orders.cancel_order, form_class=ReasonForm, done=done)


@admin.register(SettlementEvent)
class SettlementEventAdmin(ReadOnlyAdmin):
    """What happened to all offers and orders, and whether those it concerns were told."""

    list_display = ("at", "order", "subject", "subject_id", "show_change", "reason", "actor", "told_at")
    list_filter = ("subject", "new", ("told_at", admin.EmptyFieldListFilter), "at")
    list_select_related = ("order", "actor")
    search_fields = ("order__order_number", "=subject_id", "actor__email")
    show_change = change_column
    ordering = ("-id",)
