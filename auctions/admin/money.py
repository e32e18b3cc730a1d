"""Staff pages of the money of sales. Amounts never change here: buttons ask, and the services move the money."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import display

from auctions.admin.settlement import PartInline, SettlementAdmin, holding
from auctions.models import (
    CreditNote,
    Invoice,
    InvoiceLine,
    LedgerAudit,
    Payment,
    Payout,
    Refund,
    WebhookEvent,
)
from auctions.services import payouts, refunds
from auctions.services.settling import GOING_BACK, PAYOUT_MOVES, REFUND_MOVES
from common.admin import ReadOnlyAdmin, ReadOnlyInline, ReasonForm, amount_field, button, money_column, text_field
from common.transitions import sources_of


class RefundForm(ReasonForm):
    """What goes back, and why."""

    amount = amount_field(max_digits=15)
    field_order = ("amount", "reason")


class PayoutForm(forms.Form):
    """The bank's word for a payout that was made."""

    reference = text_field(max_length=64)


class InvoiceLineInline(ReadOnlyInline):
    """The frozen lines, for whoever may see the invoice."""

    model = InvoiceLine
    has_view_permission = holding("auctions.view_invoice")
    fields = readonly_fields = ("position", "kind", "description", "amount")


class CreditNoteInline(PartInline):
    """What was taken back."""

    model = CreditNote
    fields = readonly_fields = ("show_link", "amount", "reason", "issued_at")


@admin.register(Invoice)
class InvoiceAdmin(SettlementAdmin):
    """What buyers owe."""

    list_display = (
        "number", "order", "buyer_name", "show_status", "show_total", "show_balance", "issued_at", "due_at",
    )  # fmt: skip
    list_filter = ("status", "year", "issued_at", "due_at")
    list_select_related = ("order",)
    search_fields = ("number", "order__order_number", "buyer_name", "buyer_email", "vehicle_text")
    inlines = [InvoiceLineInline, CreditNoteInline]
    actions_detail = ["pdf"]

    show_total = money_column("total")
    show_balance = money_column("balance")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        """With what the balance depends on."""
        return super().get_queryset(request).prefetch_related("order__refunds")

    @button(description="PDF", permissions=["view"], url_path="pdf", icon="picture_as_pdf")
    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(reverse("sale-invoice-pdf", args=[int(object_id)]))


@admin.register(CreditNote)
class CreditNoteAdmin(SettlementAdmin):
    """Corrections of invoices."""

    list_display = ("number", "invoice", "refund", "show_amount", "reason", "issued_at", "issued_by")
    show_amount = money_column("amount", currency="invoice__currency")
    list_filter = ("year", "issued_at")
    list_select_related = ("invoice", "refund", "issued_by")
    search_fields = ("number", "invoice__number", "invoice__order__order_number", "reason")


def _may_go_back(payment: Payment) -> bool:
    """Something of what came in is left beside the refunds that were asked for."""
    return payment.status == Payment.Status.SUCCEEDED and refunds.refundable(payment) > 0


@admin.register(Payment)
class PaymentAdmin(SettlementAdmin):
    """All attempts to pay; money is what has succeeded."""

    list_display = (
        "id", "order", "provider", "show_amount", "show_status", "reference", "refund_reserved", "created_at",
        "succeeded_at",
    )  # fmt: skip
    list_filter = ("status", "provider", "created_at")
    list_select_related = ("order",)
    search_fields = ("=id", "order__order_number", "order__buyer__email", "reference", "=provider_ref")
    show_amount = money_column("amount")
    id_argument = "payment_id"
    has_refund_permission = holding("auctions.add_refund")
    actions_detail = ["refund"]

    @button(description="Refund", permissions=["refund"], url_path="refund", icon="undo", offered=_may_go_back)
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The refund is asked for. Somebody has to approve it."
        return self.act(request, object_id, "Refund", refunds.ask_for_refund, form_class=RefundForm, done=done)


@admin.register(Refund)
class RefundAdmin(SettlementAdmin):
    """What goes back. The queue is the filter `requested`; above the limit a second person approves."""

    list_display = (
        "id", "order", "show_amount", "show_status", "reason", "requested_by", "decided_by", "created_at",
    )  # fmt: skip
    list_filter = ("status", "payment__provider", "created_at")
    list_select_related = ("order", "requested_by", "decided_by")
    search_fields = ("=id", "order__order_number", "order__buyer__email", "reason", "=provider_ref")
    show_amount = money_column("amount")
    id_argument = "refund_id"
    has_decide_permission = holding("auctions.decide_refund")
    actions_detail = ["approve", "reject", "retry"]

    @button(
        description="Approve", permissions=["decide"], url_path="approve", icon="check",
        offered=sources_of(REFUND_MOVES, Refund.Status.APPROVED),
    )  # fmt: skip
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(request, object_id, "Approve", refunds.approve_refund, done="The refund is approved.")

    @button(
        description="Reject", permissions=["decide"], url_path="reject", icon="close",
        offered=sources_of(REFUND_MOVES, Refund.Status.REJECTED),
    )  # fmt: skip
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The refund is rejected."
        return self.act(request, object_id, "Reject", refunds.reject_refund, form_class=ReasonForm, done=done)

    @button(
        description="Send again",
        permissions=["decide"],
        url_path="retry",
        icon="replay",
        offered={Refund.Status.FAILED},
    )
    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(request, object_id, "Send again", refunds.retry_refund, done="The refund is sent again.")


def _may_be_paid_out(payout: Payout) -> bool:
    """Not while money goes back to the buyer, nor when all of it did."""
    if payout.status not in sources_of(PAYOUT_MOVES, Payout.Status.PAID):
        return False
    order = payout.order
    is_void = Invoice.objects.filter(order=order, status=Invoice.Status.VOID).exists()
    return not is_void and not order.refunds.filter(status__in=GOING_BACK).exists()


@admin.register(Payout)
class PayoutAdmin(SettlementAdmin):
    """What sellers get. The queue is the filter `due`."""

    list_display = (
        "id", "order", "show_seller", "fee", "show_amount", "show_status", "due_at", "paid_at", "reference",
    )  # fmt: skip
    list_filter = ("status", "due_at", "paid_at")
    list_select_related = ("order__seller",)
    search_fields = ("=id", "order__order_number", "order__seller__email", "reference")
    show_amount = money_column("amount")
    id_argument = "payout_id"
    has_pay_permission = holding("auctions.change_payout")
    actions_detail = ["pay"]

    @display(description="seller")
    def show_seller(self, payout: Payout) -> str:
        return str(payout.order.seller)

    @button(
        description="Write down the payment", permissions=["pay"], url_path="pay", icon="send", offered=_may_be_paid_out
    )
    def pay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        title, done = "Write down the payment", "The seller is paid."
        return self.act(request, object_id, title, payouts.pay_payout, form_class=PayoutForm, done=done)


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """What payment providers have reported. Whole messages stand on the pages alone."""

    list_display = ("received_at", "provider", "kind", "event_id", "outcome", "attempts", "processed_at")
    list_filter = ("provider", "outcome", ("processed_at", admin.EmptyFieldListFilter), "received_at")
    search_fields = ("=event_id", "kind")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Messages may be long: a list does not read them."""
        return super().get_queryset(request).defer("body")


@admin.register(LedgerAudit)
class LedgerAuditAdmin(ReadOnlyAdmin):
    """What each night's reckoning has found."""

    list_display = ("at", "orders", "differences")
    list_filter = ("at",)
