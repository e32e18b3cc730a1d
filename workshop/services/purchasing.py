"""Purchase orders, from a draft to the last delivery.

Lock order: waiting tickets by id, suppliers by id, orders by id, parts by id. A supplier's lock stands for the one
draft that it may have, so that shortages are never ordered twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict

from django.db import transaction
from django.db.models import DecimalField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from common.errors import Conflict, NotFound, Unprocessable
from common.money import ZERO, to_cents
from common.text import natural_key
from common.transitions import check_transition
from workshop.models import Delivery, Part, PurchaseOrder, PurchaseOrderLine, ServiceTicket, Supplier
from workshop.models.stock import QUANTITY
from workshop.services import stock, waiting

Status = PurchaseOrder.Status

MOVES: Mapping[str, tuple[str, ...]] = {
    Status.DRAFT: (Status.SENT, Status.CANCELLED),
    Status.SENT: (Status.PARTIALLY_RECEIVED, Status.RECEIVED, Status.CANCELLED),
    Status.PARTIALLY_RECEIVED: (Status.PARTIALLY_RECEIVED, Status.RECEIVED, Status.CANCELLED),
}
THOUSANDTH = Decimal("0.001")


class DraftExists(Conflict):
    """A supplier has one draft at a time; `meta.existing_id` is it."""

    code = "draft_exists"
    detail = "This supplier has a draft already. Change that one, or send it first."


class OrderNotDraft(Conflict):
    """What was sent stays as it is."""

    code = "order_not_draft"
    detail = "Only a draft can be changed."


class DuplicatePart(Unprocessable):
    """One line per part."""

    code = "duplicate_part"
    detail = "This part is in another line of the order."


class PartArchived(Unprocessable):
    """Parts that are no longer kept are not ordered."""

    code = "part_archived"
    detail = "This part is archived."


class UnknownOrderLine(Unprocessable):
    """A delivery names a line that is not one of this order."""

    code = "does_not_exist"
    detail = "The order has no such line."


class DuplicateLine(Unprocessable):
    """A delivery names each line once."""

    code = "duplicate_line"
    detail = "This line is named twice."


class DeliveryNoteRepeated(Conflict):
    """The note was booked before, in any spelling; `meta.delivery` is what it was booked as."""

    code = "delivery_note_repeated"
    detail = "This delivery note is booked already."


class MoreThanOrdered(Conflict):
    """`meta.lines` names every line of which more arrived than is still to come."""

    code = "more_than_ordered"
    detail = "More arrived than was ordered."


class OrderedPart(TypedDict, total=False):
    """A line of an order to be; without `unit_cost` it is the part's cost, or what the line says already."""

    part: Part
    quantity: Decimal
    unit_cost: Decimal


class Arrival(TypedDict):
    """Some of a line, by the line's id."""

    line: int
    quantity: Decimal


class Shortage(NamedTuple):
    """How much of a part is neither available nor expected."""

    part: Part
    quantity: Decimal


class Shortages(NamedTuple):
    """The suppliers' drafts by id, and what is short but has no supplier to order it from."""

    orders: list[PurchaseOrder]
    without_supplier: list[Shortage]


def total_of_order(order: PurchaseOrder) -> Decimal:
    """What the whole order costs. Costs nothing when the lines are prefetched."""
    return sum((to_cents(line.quantity * line.unit_cost) for line in order.lines.all()), ZERO)


@transaction.atomic
def create_order(*, supplier: Supplier, lines: Sequence[OrderedPart], actor: User, now: datetime) -> PurchaseOrder:
    """A draft. Raises DraftExists, DuplicatePart, PartArchived, NotFound (the supplier was deleted meanwhile)."""
    _check_parts(lines)
    if not _lock_suppliers(Supplier.objects.filter(pk=supplier.pk)):
        raise NotFound
    draft = PurchaseOrder.objects.filter(supplier=supplier, status=Status.DRAFT).first()
    if draft is not None:
        raise DraftExists(meta={"existing_id": draft.pk}, attr="supplier")
    order = PurchaseOrder.objects.create(supplier=supplier, created_by=actor, created_at=now)
    PurchaseOrderLine.objects.bulk_create(_new_line(order, line) for line in lines)
    return order


@transaction.atomic
def update_order(*, order: PurchaseOrder, lines: Sequence[OrderedPart]) -> PurchaseOrder:
    """Make these the draft's lines; one whose part stays keeps its id. Raises OrderNotDraft, DuplicatePart,
    PartArchived."""
    order = _lock_order(order.pk)
    if order.status != Status.DRAFT:
        raise OrderNotDraft(meta={"status": order.status})
    _check_parts(lines)
    present = {line.part_id: line for line in order.lines.all()}
    kept, new = [], []
    for line in lines:
        old = present.pop(line["part"].pk, None)
        if old is None:
            new.append(_new_line(order, line))
        else:
            old.quantity = line["quantity"]
            old.unit_cost = line.get("unit_cost", old.unit_cost)
            kept.append(old)
    order.lines.filter(part_id__in=present).delete()
    PurchaseOrderLine.objects.bulk_update(kept, ["quantity", "unit_cost"])
    PurchaseOrderLine.objects.bulk_create(new)
    order.save(update_fields=["updated_at"])
    return order


@transaction.atomic
def send_order(*, order: PurchaseOrder, now: datetime) -> PurchaseOrder:
    """The order went to the supplier: from now on it is received or cancelled. Raises InvalidTransition."""
    order = _lock_order(order.pk)
    _move(order, Status.SENT, sent_at=now)
    return order


@transaction.atomic
def cancel_order(*, order: PurchaseOrder) -> PurchaseOrder:
    """Nothing more is to come; what was received stays. Raises InvalidTransition."""
    order = _lock_order(order.pk)
    _move(order, Status.CANCELLED)
    return order


@transaction.atomic
def receive_delivery(
    *, order: PurchaseOrder, note: str, arrivals: Sequence[Arrival], actor: User, now: datetime
) -> list[ServiceTicket]:
    """Book what a delivery note says, put it on the shelf, and let tickets that waited for it go on; answers these.

    Raises DeliveryNoteRepeated, InvalidTransition (a draft, or nothing is to come any more), UnknownOrderLine,
    DuplicateLine, MoreThanOrdered, StockLimit.
    """
    named = [arrival["line"] for arrival in arrivals]
    # A line's part never changes, so it may be read before the order is locked, which comes after the tickets.
    part_ids = set(order.lines.filter(pk__in=named).values_list("part_id", flat=True))
    tickets = waiting.lock_waiting(part_ids=part_ids)
    order = _lock_order(order.pk)
    _refuse_repeated(order, note)
    check_transition(current=order.status, to=Status.PARTIALLY_RECEIVED, allowed=MOVES)
    lines = {line.pk: line for line in order.lines.all()}
    _check_arrivals(lines, arrivals)
    waiting.lock_parts(part_ids=part_ids, tickets=tickets)
    _shelve(order, lines, arrivals, note=note, actor=actor, now=now)
    PurchaseOrderLine.objects.bulk_update([lines[pk] for pk in named], ["received"])
    Delivery.objects.create(
        order=order,
        note=note,
        note_key=natural_key(note),
        lines={str(arrival["line"]): str(arrival["quantity"]) for arrival in arrivals},
        received_by=actor,
        received_at=now,
    )
    is_complete = all(line.received == line.quantity for line in lines.values())
    _move(order, Status.RECEIVED if is_complete else Status.PARTIALLY_RECEIVED)
    return waiting.resume(tickets=tickets, actor=actor, now=now)


@transaction.atomic
def order_shortages(*, actor: User, now: datetime) -> Shortages:
    """Bring the suppliers' drafts to what is short: what open tickets lack and what would keep the parts at their
    thresholds, less what is available and what is expected already, drafts included. So a second call adds nothing."""
    suppliers = _lock_suppliers(Supplier.objects.filter(Exists(Part.objects.filter(supplier=OuterRef("pk")))))
    drafts = _lock_drafts(suppliers)
    short = _shortages()
    # A part that got its supplier after the lock has its turn next time.
    _add_to_drafts(drafts, [row for row in short if row.part.supplier_id in suppliers], actor=actor, now=now)
    orders = sorted(drafts.values(), key=lambda order: order.pk)
    return Shortages(orders, [row for row in short if row.part.supplier_id is None])


def _lock_order(order_id: int) -> PurchaseOrder:
    order = PurchaseOrder.objects.select_for_update(of=("self",), no_key=True).filter(pk=order_id).first()
    if order is None:
        raise NotFound
    return order


def _lock_suppliers(suppliers: QuerySet[Supplier]) -> set[int]:
    return {supplier.pk for supplier in suppliers.select_for_update(of=("self",), no_key=True).order_by("pk")}


def _lock_drafts(supplier_ids: set[int]) -> dict[int, PurchaseOrder]:
    """By supplier."""
    drafts = PurchaseOrder.objects.filter(supplier__in=supplier_ids, status=Status.DRAFT)
    locked = drafts.select_for_update(of=("self",), no_key=True).order_by("pk")
    return {order.supplier_id: order for order in locked}


def _shelve(
    order: PurchaseOrder,
    lines: Mapping[int, PurchaseOrderLine],
    arrivals: Sequence[Arrival],
    *,
    note: str,
    actor: User,
    now: datetime,
) -> None:
    """Book each arrival into stock and on its line, which the caller saves."""
    for arrival in arrivals:
        line = lines[arrival["line"]]
        line.received += arrival["quantity"]
        stock.receive(
            part_id=line.part_id,
            quantity=arrival["quantity"],
            actor=actor,
            now=now,
            reference=note,
            reason=order.number,
        )


def _move(order: PurchaseOrder, to: Status, **changes: Any) -> None:
    check_transition(current=order.status, to=to, allowed=MOVES)
    order.status = to
    for name, value in changes.items():
        setattr(order, name, value)
    order.save(update_fields=["status", "updated_at", *changes])


def _check_parts(lines: Sequence[OrderedPart]) -> None:
    seen: set[int] = set()
    for index, line in enumerate(lines):
        if line["part"].pk in seen:
            raise DuplicatePart(attr=f"lines.{index}.part")
        if line["part"].archived_at is not None:
            raise PartArchived(attr=f"lines.{index}.part")
        seen.add(line["part"].pk)


def _new_line(order: PurchaseOrder, line: OrderedPart) -> PurchaseOrderLine:
    part = line["part"]
    unit_cost = line.get("unit_cost", part.cost)
    return PurchaseOrderLine(order=order, part=part, quantity=line["quantity"], unit_cost=unit_cost)


def _refuse_repeated(order: PurchaseOrder, note: str) -> None:
    booked = order.deliveries.filter(note_key=natural_key(note)).first()
    if booked is not None:
        facts = {"id": booked.pk, "note": booked.note, "received_at": booked.received_at}
        raise DeliveryNoteRepeated(meta={"delivery": facts}, attr="delivery_note")


def _check_arrivals(lines: Mapping[int, PurchaseOrderLine], arrivals: Sequence[Arrival]) -> None:
    times = Counter(arrival["line"] for arrival in arrivals)
    for index, arrival in enumerate(arrivals):
        if arrival["line"] not in lines:
            raise UnknownOrderLine(attr=f"lines.{index}.line")
        if times[arrival["line"]] > 1:
            raise DuplicateLine(attr=f"lines.{index}.line")
    named = [(lines[arrival["line"]], arrival["quantity"].quantize(THOUSANDTH)) for arrival in arrivals]
    too_many = [
        {"line": line.pk, "part": line.part_id, "ordered": line.quantity, "received": line.received, "arrived": arrived}
        for line, arrived in named
        if line.received + arrived > line.quantity
    ]
    if too_many:
        raise MoreThanOrdered(meta={"lines": too_many})


def _shortages() -> list[Shortage]:
    """What has to be ordered on top of what is expected, by part. One statement, hence one moment: between two, a
    delivery could vanish from what is expected and not be seen in what is lacking."""
    lacking = waiting.lacking_lines().filter(part=OuterRef("pk")).order_by().values("part")
    expected = (
        PurchaseOrderLine.objects.filter(part=OuterRef("pk"), order__status__in=PurchaseOrder.EXPECTED)
        .order_by()
        .values("part")
    )
    low = Part.objects.current().low()
    candidates = Part.objects.filter(Q(pk__in=waiting.lacking_lines().values("part")) | Q(pk__in=low.values("pk")))
    parts = candidates.annotate(
        lacking=_or_zero(lacking.values(total=Sum("quantity"))),
        expected=_or_zero(expected.values(total=Sum(F("quantity") - F("received")))),
    )
    short = (Shortage(part, _quantity_to_order(part)) for part in parts.order_by("pk"))
    return [row for row in short if row.quantity > 0]


def _add_to_drafts(drafts: dict[int, PurchaseOrder], rows: Sequence[Shortage], *, actor: User, now: datetime) -> None:
    """Put quantities of parts into the locked drafts of their suppliers; drafts that are missing are made."""
    lines = {
        (line.order_id, line.part_id): line for line in PurchaseOrderLine.objects.filter(order__in=drafts.values())
    }
    changed, new = [], []
    for part, quantity in rows:
        supplier_id: Any = part.supplier_id
        if supplier_id not in drafts:
            drafts[supplier_id] = PurchaseOrder.objects.create(
                supplier_id=supplier_id, created_by=actor, created_at=now
            )
        line = lines.get((drafts[supplier_id].pk, part.pk))
        if line is None:
            new.append(_new_line(drafts[supplier_id], {"part": part, "quantity": quantity}))
        else:
            line.quantity = min(line.quantity + quantity, stock.MAX_QUANTITY)
            changed.append(line)
    PurchaseOrderLine.objects.bulk_update(changed, ["quantity"])
    PurchaseOrderLine.objects.bulk_create(new)
    PurchaseOrder.objects.filter(pk__in={line.order_id for line in [*changed, *new]}).update(updated_at=now)


def _or_zero(sums: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(sums), Decimal(0), output_field=DecimalField(**QUANTITY))


def _quantity_to_order(part: Any) -> Decimal:
    """Of a part with its `lacking` and `expected`, as far as a line can hold it. Rounded, because SQLite adds decimals
    as floats."""
    threshold = part.low_stock_threshold if part.archived_at is None else Decimal(0)
    quantity: Decimal = part.lacking + threshold - part.available - part.expected
    return min(quantity.quantize(THOUSANDTH), stock.MAX_QUANTITY)
