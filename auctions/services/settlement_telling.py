"""Telling people what happened to their offers and orders. Every change writes its event; this sweep reads each of them
once and writes the notifications, to the buyer, the seller and the members of staff whose turn it is. The texts are
built from the event as it was committed and from columns that never change, whatever has happened since.

They hold no secret: no code of a gate pass, no word of what is between the other party and the house. Lock order: the
event, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import Notification
from accounts.notifications import Message, notify_many
from accounts.registry import MailContent, NotificationKind, notification_kinds
from auctions.models import Offer, Order, SettlementEvent
from auctions.services.telling import moment_text
from common.money import money_text
from common.sweeps import SweepResult, sweep

OFFER_RECEIVED = "offer_received"
OFFER_MADE = "offer_made"
OFFER_COUNTERED = "offer_countered"
OFFER_ACCEPTED = "offer_accepted"
OFFER_DECLINED = "offer_declined"
OFFER_WITHDRAWN = "offer_withdrawn"
OFFER_EXPIRED = "offer_expired"
OFFER_SUPERSEDED = "offer_superseded"
ORDER_MADE = "order_made"
ORDER_PAID = "order_paid"
ORDER_OVERDUE = "order_overdue"
ORDER_DEFAULTED = "order_defaulted"
ORDER_CANCELLED = "order_cancelled"
ORDER_DISPUTED = "order_disputed"
ORDER_RESOLVED = "order_resolved"
ORDER_DELIVERED = "order_delivered"
ORDER_COMPLETED = "order_completed"
INVOICE_ISSUED = "sale_invoice_issued"  # `invoice_issued` is the workshop's.
CREDIT_NOTE_ISSUED = "credit_note_issued"
PAYMENT_RECEIVED = "payment_received"
PAYMENT_FAILED = "payment_failed"
REFUND_UPDATE = "refund_update"
TITLE_UPDATE = "title_update"
TRANSPORT_UPDATE = "transport_update"
GATE_PASS_UPDATE = "gate_pass_update"  # noqa: S105 - not a password
PAYOUT_UPDATE = "payout_update"
PAYOUT_PAID = "payout_paid"
# To staff.
DISPUTE_TO_RESOLVE = "dispute_to_resolve"
REFUND_TO_DECIDE = "refund_to_decide"
TITLE_LATE = "title_late"
TRANSPORT_TO_ARRANGE = "transport_to_arrange"

LABELS = {
    OFFER_RECEIVED: "Offers that you have to decide on",
    OFFER_MADE: "Offers that follow from your auctions and bids",
    OFFER_COUNTERED: "Answers to your offers with another price",
    OFFER_ACCEPTED: "Offers of yours that were accepted",
    OFFER_DECLINED: "Offers of yours that were declined",
    OFFER_WITHDRAWN: "Offers to you that were taken back",
    OFFER_EXPIRED: "Offers that nobody decided on in time",
    OFFER_SUPERSEDED: "Offers that something else has overtaken",
    ORDER_MADE: "What you bought, and what to do next",
    ORDER_PAID: "Sales that are paid",
    ORDER_OVERDUE: "Sales whose payment is late",
    ORDER_DEFAULTED: "Sales that came to nothing for want of payment",
    ORDER_CANCELLED: "Sales that were cancelled",
    ORDER_DISPUTED: "Sales that are disputed",
    ORDER_RESOLVED: "How disputes end",
    ORDER_DELIVERED: "Vehicles that have reached their buyer",
    ORDER_COMPLETED: "Sales that are completed",
    INVOICE_ISSUED: "Invoices for what you bought",
    CREDIT_NOTE_ISSUED: "Credit notes to your invoices",
    PAYMENT_RECEIVED: "Payments of yours that have arrived",
    PAYMENT_FAILED: "Payments of yours that failed",
    REFUND_UPDATE: "Your refunds",
    TITLE_UPDATE: "The title documents of what you bought or sold",
    TRANSPORT_UPDATE: "The transport of what you bought or sold",
    GATE_PASS_UPDATE: "The passes by which you take a vehicle with you",
    PAYOUT_UPDATE: "Payouts that are due to you",
    PAYOUT_PAID: "Payouts that are on their way to you",
    DISPUTE_TO_RESOLVE: "Staff: disputes to resolve",
    REFUND_TO_DECIDE: "Staff: refunds to decide on, and those that failed",
    TITLE_LATE: "Staff: titles that are late",
    TRANSPORT_TO_ARRANGE: "Staff: transports to quote",
}
IN_APP_ONLY = (CREDIT_NOTE_ISSUED,)
TO_STAFF = (DISPUTE_TO_RESOLVE, REFUND_TO_DECIDE, TITLE_LATE, TRANSPORT_TO_ARRANGE)
Subject = SettlementEvent.Subject


def register_kinds() -> None:
    """Called once the apps are ready."""
    for kind, label in LABELS.items():
        build_mail = staff_mail if kind in TO_STAFF else party_mail
        entry = NotificationKind(label=label, email=kind not in IN_APP_ONLY, build_mail=build_mail)
        notification_kinds.register(kind, entry)


def party_mail(notification: Notification) -> MailContent:
    """The notification's own words, and the way to the order; to the offers where there is none yet."""
    order = notification.data.get("order")
    path = "/api/offers" if order is None else f"/api/orders/{order}"
    label = "See your offers" if order is None else "See the order"
    return MailContent(notification.title, notification.body, link=settings.BACKEND_URL + path, link_label=label)


def staff_mail(notification: Notification) -> MailContent:
    """With the way to the staff page of what waits."""
    subject, pk = notification.data["subject"], notification.data["subject_id"]
    page = reverse(f"admin:auctions_{subject.replace('_', '')}_change", args=[pk])
    return MailContent(
        notification.title, notification.body, link=settings.BACKEND_URL + page, link_label="Open the page"
    )


def tell_settlements(*, now: datetime) -> SweepResult:
    """Tell of every event that was not told yet, the oldest first. One that fails is told by a later run and does not
    stop the others; two runs at once pass each other's events over."""
    return sweep(_untold(), _tell, now=now)


def _untold() -> QuerySet[SettlementEvent]:
    return SettlementEvent.objects.filter(told_at=None).select_related("order__listing")


def _tell(event: SettlementEvent, *, now: datetime) -> None:
    """An event whose row is locked."""
    messages_about = _MESSAGES.get((event.subject, event.new))
    if messages_about is not None:
        notify_many(messages_about(_News(event)), now=now)
    SettlementEvent.objects.filter(pk=event.pk).update(told_at=now)


class _News:
    """An event with those whom it concerns, and the words for what it says."""

    def __init__(self, event: SettlementEvent) -> None:
        self.event = event
        matter: Offer | Order | None = event.order
        if matter is None:
            matter = Offer.objects.select_related("listing").get(pk=event.subject_id)
        self.matter: Any = matter

    def to_buyer(self, kind: str, title: str, body: str) -> Message:
        return self._message(self.matter.buyer_id, kind, title, body)

    def to_seller(self, kind: str, title: str, body: str) -> Message:
        return self._message(self.matter.seller_id, kind, title, body)

    def to_both(self, kind: str, title: str, body: str) -> Iterator[Message]:
        yield self.to_buyer(kind, title, body)
        yield self.to_seller(kind, title, body)

    def to_staff(self, permission: str, kind: str, title: str, body: str) -> Iterator[Message]:
        """Everybody who may do it, but for who has just caused it."""
        staff = ModelBackend().with_perm(f"auctions.{permission}").order_by("pk")
        for user_id in staff.values_list("pk", flat=True):
            if user_id != self.event.actor_id:
                yield self._message(user_id, kind, f"{title}, {self.matter}", body)

    def by_buyer(self) -> bool:
        return self.event.actor_id == self.matter.buyer_id

    def sum(self, before: str = " of ") -> str:
        """` of 1,100.00 USD`; nothing where the event names no amount."""
        details = self.event.details
        if "amount" not in details:
            return ""
        return before + money_text(Decimal(details["amount"]), details.get("currency", self.matter.currency))

    def because(self) -> str:
        return f" Reason: {self.event.reason}" if self.event.reason else ""

    def fact(self, name: str, words: str) -> str:
        """`words` with the detail of this name, a moment or a day in words; nothing without it."""
        value = self.event.details.get(name)
        return words.format(_readable(value)) if value else ""

    def _message(self, user_id: int, kind: str, title: str, body: str) -> Message:
        event, listing = self.event, self.matter.listing
        data = {"listing": listing.pk, "subject": event.subject, "subject_id": event.subject_id, "status": event.new}
        if isinstance(self.matter, Order):
            data |= {"order": self.matter.pk, "order_number": self.matter.order_number}
        return Message(
            user_id,
            kind,
            title=f"{title}: {listing}",
            body=body,
            data=data,
            dedupe_key=f"settlement:{event.pk}",
        )


def _readable(value: Any) -> str:
    """A moment or a day as people write it; anything else as it is."""
    text = str(value)
    try:
        if len(text) > len("2026-11-26"):
            return moment_text(datetime.fromisoformat(text))
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.day} {day:%b %Y}"


# --- Offers -----------------------------------------------------------------------------------------------------------


class _OfferNews(_News):
    """Who proposes and who decides."""

    def to_proposer(self, kind: str, title: str, body: str) -> Message:
        return self._message(self.matter.proposer_id, kind, title, body)

    def to_recipient(self, kind: str, title: str, body: str) -> Message:
        return self._message(self.matter.recipient_id, kind, title, body)

    def price(self) -> str:
        return money_text(self.matter.amount, self.matter.currency)


def _of_offer(messages: Callable[[_OfferNews], Iterator[Message]]) -> Callable[[_News], Iterator[Message]]:
    return lambda news: messages(_OfferNews(news.event))


def _offer_made(news: _OfferNews) -> Iterator[Message]:
    offer = news.matter
    until = f" It stands until {moment_text(offer.expires_at)}."
    if offer.round:
        yield news.to_recipient(OFFER_COUNTERED, "Another price", f"{news.price()} is proposed to you.{until}")
    elif offer.kind == Offer.Kind.IF_BID:
        body = f"The reserve was not met; the highest bid, {news.price()}, is offered to you.{until}"
        yield news.to_seller(OFFER_RECEIVED, "The highest bid is offered to you", body)
        body = f"The reserve was not met. Your bid binds you as an offer of {news.price()} to the seller.{until}"
        yield news.to_buyer(OFFER_MADE, "Your bid is now an offer", body)
    elif offer.kind == Offer.Kind.SECOND_CHANCE and offer.made_by == Offer.Party.BUYER:
        body = f"The sale came to nothing. The next bidder said {news.price()}, below your reserve: you decide.{until}"
        yield news.to_seller(OFFER_RECEIVED, "The next bid is offered to you", body)
        body = f"The sale to another bidder came to nothing. Your bid of {news.price()} is proposed to the seller, and "
        body += f"buys it if the seller accepts. Until then you can withdraw it.{until}"
        yield news.to_buyer(OFFER_MADE, "Your bid is an offer again", body)
    elif offer.kind == Offer.Kind.SECOND_CHANCE:
        body = f"The sale to another bidder came to nothing. You can have it for {news.price()}.{until}"
        yield news.to_buyer(OFFER_RECEIVED, "A second chance", body)
        body = f"The sale came to nothing. It is offered to the next bidder for {news.price()}.{until}"
        yield news.to_seller(OFFER_MADE, "Offered to the next bidder", body)
    else:
        yield news.to_recipient(OFFER_RECEIVED, "An offer", f"{news.price()} is offered to you.{until}")


def _offer_accepted(news: _OfferNews) -> Iterator[Message]:
    if news.matter.proposer_id == news.matter.buyer_id:
        body = f"You buy it for {news.price()}. To this come the buyer's fees; your order tells how to pay."
    else:
        body = f"It is sold for {news.price()}. The order awaits the payment."
    yield news.to_proposer(OFFER_ACCEPTED, "Your offer is accepted", body)


def _offer_declined(news: _OfferNews) -> Iterator[Message]:
    yield news.to_proposer(OFFER_DECLINED, "Your offer is declined", f"{news.price()} was not enough.")


def _offer_withdrawn(news: _OfferNews) -> Iterator[Message]:
    yield news.to_recipient(OFFER_WITHDRAWN, "An offer was taken back", f"{news.price()} is not offered any more.")


def _offer_expired(news: _OfferNews) -> Iterator[Message]:
    body = f"Nobody decided in time on the offer of {news.price()}. It binds nobody any more."
    yield from news.to_both(OFFER_EXPIRED, "An offer has run out", body)


def _offer_superseded(news: _OfferNews) -> Iterator[Message]:
    body = f"The vehicle is not free any more, and the offer of {news.price()} binds you no more."
    yield news.to_buyer(OFFER_SUPERSEDED, "An offer was overtaken", body)


# --- Orders -----------------------------------------------------------------------------------------------------------


def _order_made(news: _News) -> Iterator[Message]:
    """The seller hears of the sale by the auction or the offer."""
    body = f"Order {news.matter}: say whether you fetch the vehicle or ask for a transport, and the invoice follows."
    yield news.to_buyer(ORDER_MADE, "How do you get your vehicle?", body)


def _order_overdue(news: _News) -> Iterator[Message]:
    until = news.fact("default_at", " Unpaid on {}, the sale comes to nothing.")
    yield news.to_buyer(ORDER_OVERDUE, "Your payment is late", f"Order {news.matter} is not paid.{until}")
    yield news.to_seller(ORDER_OVERDUE, "The payment is late", f"The buyer has not paid order {news.matter}.{until}")


def _order_defaulted(news: _News) -> Iterator[Message]:
    body = f"Order {news.matter} was not paid in time, and the sale has come to nothing."
    yield from news.to_both(ORDER_DEFAULTED, "The sale came to nothing", body)


def _order_cancelled(news: _News) -> Iterator[Message]:
    body = f"Order {news.matter} was cancelled.{news.because()}"
    yield from news.to_both(ORDER_CANCELLED, "The sale is cancelled", body)


def _order_disputed(news: _News) -> Iterator[Message]:
    """Who opened it knows."""
    body = f"Order {news.matter} is on hold until we have looked into it.{news.because()}"
    if not news.by_buyer():
        yield news.to_buyer(ORDER_DISPUTED, "The sale is disputed", body)
    yield news.to_seller(ORDER_DISPUTED, "The sale is disputed", f"{body} A payout waits until then.")
    yield from news.to_staff("change_order", DISPUTE_TO_RESOLVE, "A dispute", f"Order {news.matter}.{news.because()}")


def _unless_resolved(messages: Callable[[_News], Iterator[Message]]) -> Callable[[_News], Iterator[Message]]:
    """A step of an order that is news of its own, unless it is the one to which a dispute goes back."""

    def either(news: _News) -> Iterator[Message]:
        return (_order_goes_on if news.event.old == Order.Status.DISPUTED else messages)(news)

    return either


def _order_goes_on(news: _News) -> Iterator[Message]:
    body = f"The dispute about order {news.matter} is over, and the sale goes on.{news.because()}"
    yield from news.to_both(ORDER_RESOLVED, "The dispute is over", body)


def _order_refunded(news: _News) -> Iterator[Message]:
    undone = f"The dispute about order {news.matter} is over: the sale is undone.{news.because()}"
    yield news.to_buyer(ORDER_RESOLVED, "The sale is undone", f"{undone} You get your money back.")
    yield news.to_seller(ORDER_RESOLVED, "The sale is undone", undone)


def _nothing(_news: _News) -> Iterator[Message]:
    """Steps of which the title or the transport tells."""
    yield from ()


def _order_paid(news: _News) -> Iterator[Message]:
    body = f"Order {news.matter} is paid in full. We see to the title now."
    yield news.to_buyer(ORDER_PAID, "Paid in full", body)
    yield news.to_seller(ORDER_PAID, "Sold and paid", f"The buyer has paid order {news.matter} in full.")


def _order_delivered(news: _News) -> Iterator[Message]:
    body = f"You have the vehicle of order {news.matter}. Tell us if anything is not as it was described."
    yield news.to_buyer(ORDER_DELIVERED, "You have your vehicle", body)
    yield news.to_seller(ORDER_DELIVERED, "The vehicle is with its buyer", f"Order {news.matter} is delivered.")


def _order_completed(news: _News) -> Iterator[Message]:
    yield from news.to_both(ORDER_COMPLETED, "The sale is completed", f"Order {news.matter} is completed. Thank you.")


# --- Money ------------------------------------------------------------------------------------------------------------


def _invoice_issued(news: _News) -> Iterator[Message]:
    number, until = news.fact("number", " {}"), news.fact("due_at", " Please pay by {}.")
    body = f"Invoice{number} for order {news.matter}{news.sum(': ')}.{until}"
    yield news.to_buyer(INVOICE_ISSUED, "Your invoice", body)


def _credit_note_issued(news: _News) -> Iterator[Message]:
    number = news.fact("number", " {}")
    body = f"Credit note{number} takes back a part or all of your invoice{news.sum(': ')}.{news.because()}"
    yield news.to_buyer(CREDIT_NOTE_ISSUED, "A credit note", body)


def _payment_received(news: _News) -> Iterator[Message]:
    body = f"Your payment{news.sum()} for order {news.matter} has arrived. Thank you."
    yield news.to_buyer(PAYMENT_RECEIVED, "We have your payment", body)


def _payment_failed(news: _News) -> Iterator[Message]:
    body = f"Your payment{news.sum()} for order {news.matter} did not go through.{news.because()} Please try again."
    yield news.to_buyer(PAYMENT_FAILED, "Your payment failed", body)


def _refund_requested(news: _News) -> Iterator[Message]:
    body = f"A refund{news.sum()} from order {news.matter} is being looked at."
    yield news.to_buyer(REFUND_UPDATE, "A refund is asked for", body)
    text = f"A refund{news.sum()} is asked for.{news.because()}"
    yield from news.to_staff("decide_refund", REFUND_TO_DECIDE, "A refund to decide on", text)


def _refund_approved(news: _News) -> Iterator[Message]:
    body = f"Your refund{news.sum()} from order {news.matter} is approved."
    yield news.to_buyer(REFUND_UPDATE, "Your refund is approved", body)


def _refund_rejected(news: _News) -> Iterator[Message]:
    body = f"The refund{news.sum()} from order {news.matter} was turned down.{news.because()}"
    yield news.to_buyer(REFUND_UPDATE, "No refund", body)


def _refund_done(news: _News) -> Iterator[Message]:
    body = f"Your refund{news.sum()} from order {news.matter} was sent to you."
    yield news.to_buyer(REFUND_UPDATE, "Your refund was sent", body)


def _refund_failed(news: _News) -> Iterator[Message]:
    body = f"Your refund{news.sum()} from order {news.matter} could not be sent yet. We see to it."
    yield news.to_buyer(REFUND_UPDATE, "Your refund is delayed", body)
    text = f"The refund{news.sum()} could not be sent.{news.because()}"
    yield from news.to_staff("decide_refund", REFUND_TO_DECIDE, "A refund failed", text)


def _payout_due(news: _News) -> Iterator[Message]:
    """Also one that was held."""
    body = f"Your payout{news.sum()} for order {news.matter} is due, and will be sent soon."
    yield news.to_seller(PAYOUT_UPDATE, "Your payout is due", body)


def _payout_held(news: _News) -> Iterator[Message]:
    body = f"Your payout{news.sum()} for order {news.matter} waits until the dispute is over."
    yield news.to_seller(PAYOUT_UPDATE, "Your payout waits", body)


def _payout_cancelled(news: _News) -> Iterator[Message]:
    body = f"There is no payout{news.sum()} for order {news.matter} any more.{news.because()}"
    yield news.to_seller(PAYOUT_UPDATE, "No payout", body)


def _payout_paid(news: _News) -> Iterator[Message]:
    reference = news.fact("reference", " Its reference is {}.")
    body = f"Your payout{news.sum()} for order {news.matter} was sent to you.{reference}"
    yield news.to_seller(PAYOUT_PAID, "Your payout was sent", body)


# --- Title, transport, pass -------------------------------------------------------------------------------------------


def _title_awaited(news: _News) -> Iterator[Message]:
    body = f"Please send us the title of order {news.matter}{news.fact('due_at', ' by {}')}. You are paid out after it."
    yield news.to_seller(TITLE_UPDATE, "Please send the title", body)


def _title_received(news: _News) -> Iterator[Message]:
    body = f"We have the title of order {news.matter}, and look it through."
    yield from news.to_both(TITLE_UPDATE, "We have the title", body)


def _title_rejected(news: _News) -> Iterator[Message]:
    body = f"The documents that you sent for order {news.matter} will not do.{news.because()} Please send others."
    yield news.to_seller(TITLE_UPDATE, "We need other documents", body)


def _title_has_lien(news: _News) -> Iterator[Message]:
    """Whose lien it is, is between the seller and the house."""
    holder = news.fact("lien_holder", " of {}")
    body = f"There is a lien{holder} on the vehicle of order {news.matter}. It has to be released first."
    yield news.to_seller(TITLE_UPDATE, "A lien has to be released", body)
    body = f"The title of order {news.matter} waits until a lien is released. We see to it."
    yield news.to_buyer(TITLE_UPDATE, "The title takes longer", body)


def _title_ready(news: _News) -> Iterator[Message]:
    yield news.to_buyer(TITLE_UPDATE, "The title is ready", f"We send you the title of order {news.matter} next.")


def _title_sent(news: _News) -> Iterator[Message]:
    tracking = news.fact("tracking_reference", " Track it by {}.")
    body = f"The title of order {news.matter} is on its way to you.{tracking}"
    yield news.to_buyer(TITLE_UPDATE, "The title is on its way", body)


def _title_completed(news: _News) -> Iterator[Message]:
    body = f"The title of order {news.matter} is transferred: the vehicle belongs to its buyer."
    yield from news.to_both(TITLE_UPDATE, "The title is transferred", body)


def _title_late(news: _News) -> Iterator[Message]:
    due = news.fact("due_at", " It was due on {}.")
    body = f"The title of order {news.matter} is late.{due}"
    if news.event.old in ("pending", "awaiting_seller_documents", "rejected_documents"):
        yield news.to_seller(TITLE_UPDATE, "The title is late", f"{body} Please send it now.")
    yield news.to_buyer(TITLE_UPDATE, "The title is late", f"{body} We see to it.")
    yield from news.to_staff("change_titletransfer", TITLE_LATE, "A title is late", body)


def _transport_wanted(news: _News) -> Iterator[Message]:
    body = f"The buyer of order {news.matter} asks what the transport costs."
    yield from news.to_staff("change_transportorder", TRANSPORT_TO_ARRANGE, "A transport to quote", body)


def _transport_quoted(news: _News) -> Iterator[Message]:
    body = f"We can bring you the vehicle of order {news.matter}{news.sum(' for ')}.{_days(news)} Book it, or fetch it."
    yield news.to_buyer(TRANSPORT_UPDATE, "What the transport costs", body)


def _transport_assigned(news: _News) -> Iterator[Message]:
    carrier = news.fact("carrier", "{}") or "A carrier"
    body = f"{carrier} fetches the vehicle of order {news.matter}.{_days(news)}"
    yield from news.to_both(TRANSPORT_UPDATE, "The transport is arranged", body)


def _transport_picked_up(news: _News) -> Iterator[Message]:
    body = f"The carrier has the vehicle of order {news.matter}."
    yield from news.to_both(TRANSPORT_UPDATE, "The vehicle was picked up", body)


def _transport_departed(news: _News) -> Iterator[Message]:
    body = f"The vehicle of order {news.matter} is on its way to you.{news.fact('delivery_on', ' Expect it on {}.')}"
    yield news.to_buyer(TRANSPORT_UPDATE, "Your vehicle is on its way", body)


def _transport_cancelled(news: _News) -> Iterator[Message]:
    body = f"The transport of order {news.matter} was cancelled.{news.because()}"
    if not news.by_buyer():
        yield news.to_buyer(TRANSPORT_UPDATE, "The transport is cancelled", body)
    if news.event.old == "assigned":
        yield news.to_seller(TRANSPORT_UPDATE, "The transport is cancelled", body)


def _days(news: _News) -> str:
    return news.fact("pickup_on", " Pick-up on {}.") + news.fact("delivery_on", " Delivery on {}.")


def _pass_issued(news: _News) -> Iterator[Message]:
    """Its code is read over the API, by who may have it."""
    body = f"The pass for the vehicle of order {news.matter} is ready. You find it with the order."
    yield news.to_buyer(GATE_PASS_UPDATE, "Your gate pass is ready", body)


def _pass_used(news: _News) -> Iterator[Message]:
    body = f"The vehicle of order {news.matter} has left the lot on your pass."
    yield news.to_buyer(GATE_PASS_UPDATE, "Your gate pass was used", body)


def _pass_revoked(news: _News) -> Iterator[Message]:
    body = f"Your pass for the vehicle of order {news.matter} is not valid any more.{news.because()}"
    yield news.to_buyer(GATE_PASS_UPDATE, "Your gate pass is revoked", body)


_MESSAGES: Mapping[tuple[str, str], Callable[[_News], Iterator[Message]]] = {
    (Subject.OFFER, "pending"): _of_offer(_offer_made),
    (Subject.OFFER, "accepted"): _of_offer(_offer_accepted),
    (Subject.OFFER, "declined"): _of_offer(_offer_declined),
    (Subject.OFFER, "withdrawn"): _of_offer(_offer_withdrawn),
    (Subject.OFFER, "expired"): _of_offer(_offer_expired),
    (Subject.OFFER, "superseded"): _of_offer(_offer_superseded),
    (Subject.ORDER, "awaiting_payment"): _order_made,
    (Subject.ORDER, "overdue"): _order_overdue,
    (Subject.ORDER, "defaulted"): _order_defaulted,
    (Subject.ORDER, "cancelled"): _order_cancelled,
    (Subject.ORDER, "disputed"): _order_disputed,
    (Subject.ORDER, "refunded"): _order_refunded,
    (Subject.ORDER, "paid"): _unless_resolved(_order_paid),
    (Subject.ORDER, "title_processing"): _unless_resolved(_nothing),
    (Subject.ORDER, "transport_scheduled"): _unless_resolved(_nothing),
    (Subject.ORDER, "in_transit"): _unless_resolved(_nothing),
    (Subject.ORDER, "delivered"): _unless_resolved(_order_delivered),
    (Subject.ORDER, "completed"): _unless_resolved(_order_completed),
    (Subject.INVOICE, "issued"): _invoice_issued,
    (Subject.CREDIT_NOTE, "issued"): _credit_note_issued,
    (Subject.PAYMENT, "succeeded"): _payment_received,
    (Subject.PAYMENT, "failed"): _payment_failed,
    (Subject.PAYMENT, "cancelled"): _payment_failed,
    (Subject.REFUND, "requested"): _refund_requested,
    (Subject.REFUND, "approved"): _refund_approved,
    (Subject.REFUND, "rejected"): _refund_rejected,
    (Subject.REFUND, "done"): _refund_done,
    (Subject.REFUND, "failed"): _refund_failed,
    (Subject.PAYOUT, "due"): _payout_due,
    (Subject.PAYOUT, "held"): _payout_held,
    (Subject.PAYOUT, "cancelled"): _payout_cancelled,
    (Subject.PAYOUT, "paid"): _payout_paid,
    (Subject.TITLE_TRANSFER, "awaiting_seller_documents"): _title_awaited,
    (Subject.TITLE_TRANSFER, "received"): _title_received,
    (Subject.TITLE_TRANSFER, "rejected_documents"): _title_rejected,
    (Subject.TITLE_TRANSFER, "lien_pending"): _title_has_lien,
    (Subject.TITLE_TRANSFER, "ready"): _title_ready,
    (Subject.TITLE_TRANSFER, "sent"): _title_sent,
    (Subject.TITLE_TRANSFER, "completed"): _title_completed,
    (Subject.TITLE_TRANSFER, "overdue"): _title_late,
    (Subject.TRANSPORT_ORDER, "quote_requested"): _transport_wanted,
    (Subject.TRANSPORT_ORDER, "quoted"): _transport_quoted,
    (Subject.TRANSPORT_ORDER, "assigned"): _transport_assigned,
    (Subject.TRANSPORT_ORDER, "picked_up"): _transport_picked_up,
    (Subject.TRANSPORT_ORDER, "in_transit"): _transport_departed,
    (Subject.TRANSPORT_ORDER, "cancelled"): _transport_cancelled,
    (Subject.GATE_PASS, "issued"): _pass_issued,
    (Subject.GATE_PASS, "used"): _pass_used,
    (Subject.GATE_PASS, "revoked"): _pass_revoked,
}
