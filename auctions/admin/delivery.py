"""Staff pages of how cars and their papers get to their buyers."""

from __future__ import annotations

from collections.abc import Callable, Collection

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from auctions.admin.settlement import SettlementAdmin, holding, more
from auctions.models import GatePass, Order, TitleDeadline, TitleTransfer, TransportOrder
from auctions.models.orders import DEAD_ORDER, PAID_ORDER, UNPAID_ORDER
from auctions.services import titles, transport
from auctions.services.gate_passes import has_left, pass_of
from auctions.services.settling import TITLE_MOVES, TRANSPORT_MOVES
from common.admin import ReasonForm, StaffAdmin, amount_field, button, day_field, money_column, text_field
from common.money import ZERO
from common.transitions import sources_of

Status = TransportOrder.Status
TitleStatus = TitleTransfer.Status


class LienForm(forms.Form):
    """Whose claim has to be released."""

    lien_holder = text_field(max_length=200)


class TrackingForm(forms.Form):
    """By which the buyer finds the letter."""

    tracking_reference = text_field(max_length=100)


class QuoteForm(forms.Form):
    """What the transport costs, and when it may be."""

    quoted_price = amount_field(least=ZERO)
    pickup_on = day_field(required=False)
    delivery_on = day_field(required=False)


class CarrierForm(forms.Form):
    """Who drives."""

    carrier = text_field(max_length=200)
    driver_name = text_field(max_length=200, required=False)
    driver_phone = text_field(max_length=32, required=False)


class DeliveryForm(forms.Form):
    """What the carrier asks of the house in the end."""

    final_price = amount_field(least=ZERO, required=False)


@admin.register(TitleDeadline)
class TitleDeadlineAdmin(StaffAdmin):
    """How long the titles of a state may take. Titles that are on their way keep their day."""

    list_display = ("state", "days")
    search_fields = ("state",)


def _title_may(to: str, sources: Collection[str] | None = None) -> Callable[[TitleTransfer], bool]:
    """Whether a title may become `to`: while the sale stands and is not disputed. `sources` where several statuses may,
    and the button is for one of them."""
    statuses = sources_of(TITLE_MOVES, to) if sources is None else sources

    def may(title: TitleTransfer) -> bool:
        return title.status in statuses and title.order.status not in (*DEAD_ORDER, Order.Status.DISPUTED)

    return may


@admin.register(TitleTransfer)
class TitleTransferAdmin(SettlementAdmin):
    """The papers of what was sold. Queues are the filters by status; late ones have a day in `overdue at`."""

    list_display = (
        "id", "order", "show_status", "title_state", "due_at", "overdue_at", "received_at", "completed_at",
    )  # fmt: skip
    list_filter = ("status", ("overdue_at", admin.EmptyFieldListFilter), "title_state", "due_at")
    list_select_related = ("order",)
    search_fields = ("=id", "order__order_number", "order__listing__vin", "tracking_reference", "lien_holder")
    id_argument = "title_id"
    has_handle_permission = holding("auctions.change_titletransfer")
    actions_detail = [
        "receive", "review", "ready", "send", "complete", more("reject_documents", "hold_lien", "release_lien"),
    ]  # fmt: skip

    @button(
        description="Received", permissions=["handle"], url_path="receive", icon="inbox",
        offered=_title_may(TitleStatus.RECEIVED),
    )  # fmt: skip
    def receive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The documents are here; the seller's payout is due."
        return self.act(request, object_id, "Received", titles.receive_title, done=done)

    @button(
        description="Review", permissions=["handle"], url_path="review", icon="search",
        offered=_title_may(TitleStatus.UNDER_REVIEW),
    )  # fmt: skip
    def review(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(request, object_id, "Review", titles.review_title, done="The documents are under review.")

    @button(
        description="Reject", permissions=["handle"], url_path="reject-documents", icon="close",
        offered=_title_may(TitleStatus.REJECTED_DOCUMENTS),
    )  # fmt: skip
    def reject_documents(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The seller is asked for other documents."
        return self.act(request, object_id, "Reject", titles.reject_documents, form_class=ReasonForm, done=done)

    @button(
        description="Hold for a lien", permissions=["handle"], url_path="hold-lien", icon="lock",
        offered=_title_may(TitleStatus.LIEN_PENDING),
    )  # fmt: skip
    def hold_lien(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The title waits for the release."
        return self.act(request, object_id, "Hold for a lien", titles.hold_lien, form_class=LienForm, done=done)

    @button(
        description="Lien released", permissions=["handle"], url_path="release-lien", icon="lock_open",
        offered=_title_may(TitleStatus.READY, {TitleStatus.LIEN_PENDING}),
    )  # fmt: skip
    def release_lien(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(request, object_id, "Lien released", titles.release_lien, done="The title is ready.")

    @button(
        description="Ready", permissions=["handle"], url_path="ready", icon="task_alt",
        offered=_title_may(TitleStatus.READY, {TitleStatus.UNDER_REVIEW}),
    )  # fmt: skip
    def ready(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(request, object_id, "Ready", titles.ready_title, done="The title is ready.")

    @button(
        description="Send", permissions=["handle"], url_path="send", icon="mail",
        offered=_title_may(TitleStatus.SENT),
    )  # fmt: skip
    def send(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The title is on its way."
        return self.act(request, object_id, "Send", titles.send_title, form_class=TrackingForm, done=done)

    @button(
        description="Complete", permissions=["handle"], url_path="complete", icon="check",
        offered=_title_may(TitleStatus.COMPLETED),
    )  # fmt: skip
    def complete(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The vehicle belongs to its buyer."
        return self.act(request, object_id, "Complete", titles.complete_title, done=done)


def _may_be_quoted(row: TransportOrder) -> bool:
    is_undecided = row.order.status in UNPAID_ORDER and not row.order.delivery
    return is_undecided and row.status in sources_of(TRANSPORT_MOVES, Status.QUOTED)


def _may_be_assigned(row: TransportOrder) -> bool:
    return row.order.status in PAID_ORDER and row.status in sources_of(TRANSPORT_MOVES, Status.ASSIGNED)


def _may_be_picked_up(row: TransportOrder) -> bool:
    return row.status in sources_of(TRANSPORT_MOVES, Status.PICKED_UP) and pass_of(row.order) is not None


def _may_go_on(to: str) -> Callable[[TransportOrder], bool]:
    """On the road nothing stops a transport but a dispute."""

    def may(row: TransportOrder) -> bool:
        return row.status in sources_of(TRANSPORT_MOVES, to) and row.order.status != Order.Status.DISPUTED

    return may


def _may_be_cancelled(row: TransportOrder) -> bool:
    """What is booked, only until the car has left, and not while the order is disputed."""
    if row.status in transport.NOT_BOOKED:
        return True
    is_free = row.order.status != Order.Status.DISPUTED and not has_left(row.order)
    return is_free and row.status in sources_of(TRANSPORT_MOVES, Status.CANCELLED)


@admin.register(TransportOrder)
class TransportOrderAdmin(SettlementAdmin):
    """The transports. What waits for finance: `quote requested`, and `booked` once its order is paid."""

    list_display = (
        "id", "order", "show_order_status", "show_status", "show_quoted_price", "carrier", "pickup_on", "delivery_on",
        "delivered_at",
    )  # fmt: skip
    list_filter = ("status", "order__status", "pickup_on", "created_at")
    list_select_related = ("order",)
    search_fields = ("=id", "order__order_number", "order__buyer__email", "carrier", "delivery_address")
    show_quoted_price = money_column("quoted_price")
    id_argument = "transport_id"
    has_handle_permission = holding("auctions.change_transportorder")
    actions_detail = ["quote", "assign", "pick_up", "depart", "deliver", "cancel"]

    @display(description="order is")
    def show_order_status(self, row: TransportOrder) -> str:
        return row.order.status.replace("_", " ")

    @button(description="Quote", permissions=["handle"], url_path="quote", icon="sell", offered=_may_be_quoted)
    def quote(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The buyer has the quote."
        return self.act(request, object_id, "Quote", transport.quote_transport, form_class=QuoteForm, done=done)

    @button(
        description="Assign a carrier", permissions=["handle"], url_path="assign", icon="local_shipping",
        offered=_may_be_assigned,
    )  # fmt: skip
    def assign(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The carrier is assigned."
        return self.act(
            request, object_id, "Assign a carrier", transport.assign_carrier, form_class=CarrierForm, done=done
        )

    @button(
        description="Picked up", permissions=["handle"], url_path="pick-up", icon="upload",
        offered=_may_be_picked_up,
    )  # fmt: skip
    def pick_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(request, object_id, "Picked up", transport.pick_up, done="The carrier has the car.")

    @button(
        description="Departed", permissions=["handle"], url_path="depart", icon="route",
        offered=_may_go_on(Status.IN_TRANSIT),
    )  # fmt: skip
    def depart(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(request, object_id, "Departed", transport.depart, done="The car is on its way.")

    @button(
        description="Delivered", permissions=["handle"], url_path="deliver", icon="where_to_vote",
        offered=_may_go_on(Status.DELIVERED),
    )  # fmt: skip
    def deliver(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The car is with its buyer."
        return self.act(request, object_id, "Delivered", transport.deliver, form_class=DeliveryForm, done=done)

    @button(description="Cancel", permissions=["handle"], url_path="cancel", icon="cancel", offered=_may_be_cancelled)
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The transport is cancelled."
        return self.act(request, object_id, "Cancel", transport.cancel_transport, form_class=ReasonForm, done=done)


@admin.register(GatePass)
class GatePassAdmin(SettlementAdmin):
    """The rights to take cars off the lot. A code stands on its page alone, and is used over the API."""

    list_display = ("id", "order", "issued_at", "used_at", "used_by", "revoked_at", "revoked_reason")
    list_filter = (("used_at", admin.EmptyFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter), "issued_at")
    list_select_related = ("order", "used_by")
    search_fields = ("=id", "order__order_number", "=code")
