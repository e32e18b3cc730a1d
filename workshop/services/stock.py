"""The stock ledger. Every change of `on_hand` or `reserved` goes through here and leaves movements that add up to it.

A part changes by one guarded UPDATE, parts in the order of their ids: opposite orders would deadlock. Whoever calls
more than once in a transaction locks all its parts first (`lock_parts`). The functions that take part lines are called
under the lock of the lines' ticket.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Round

from accounts.models import User
from common.doorbell import ring_on_commit
from common.errors import Conflict, NotFound, Unprocessable
from workshop import caches
from workshop.models import Part, PartLine, StockMovement
from workshop.services.alerts import settle_alerts

Kind = StockMovement.Kind
Stock = PartLine.Stock

PLACES = 3
MAX_QUANTITY = Decimal("999999999.999")
# What a quantity of each kind does to on_hand and to reserved; an adjustment has the sign of what was found.
EFFECTS = {
    Kind.RECEIVE: (1, 0),
    Kind.RETURN: (1, 0),
    Kind.SCRAP: (-1, 0),
    Kind.RESERVE: (0, 1),
    Kind.RELEASE: (0, -1),
    Kind.CONSUME: (-1, -1),
}


class InsufficientStock(Conflict):
    """Less is available than is needed; `meta.shortages` names every part that is short."""

    code = "insufficient_stock"
    detail = "There is not enough in stock."


class StockConflict(Conflict):
    """The lines' parts are not where this step needs them."""

    code = "stock_conflict"
    detail = "The parts of these lines have been moved otherwise."


class CountedBelowReserved(Conflict):
    """Fewer were counted than are promised to tickets; some of these have to be released first."""

    code = "counted_below_reserved"
    detail = "Fewer were counted than are reserved for tickets."


class StockLimit(Conflict):
    """More than the ledger can hold."""

    code = "stock_limit"
    detail = f"At most {MAX_QUANTITY} of a part can be on hand."


class QuantityNotPositive(Unprocessable):
    """A movement of nothing."""

    code = "quantity_not_positive"
    detail = "State a quantity above zero."


class _Entry(NamedTuple):
    """A movement to be: `quantity` is signed for adjustments only."""

    part_id: int
    kind: Kind
    quantity: Decimal
    line: PartLine | None = None

    @property
    def deltas(self) -> tuple[Decimal, Decimal]:
        """Of on_hand and of reserved."""
        on_hand, reserved = EFFECTS.get(self.kind, (1, 0))
        return self.quantity * on_hand, self.quantity * reserved


def lock_parts(*, part_ids: Iterable[int]) -> dict[int, Part]:
    """The parts' rows by id, locked in the order of ids, after every other lock. For those who then move them more than
    once."""
    locked = Part.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=set(part_ids)).order_by("pk")
    return {part.pk: part for part in locked}


@transaction.atomic
def reserve(*, lines: Sequence[PartLine], actor: User | None, now: datetime) -> None:
    """Promise the quantities of the lines to them, all or nothing; lines that have theirs are passed over.

    Raises InsufficientStock, after which nothing has changed and the caller's transaction can go on, and StockConflict
    (a line was returned or written off).
    """
    moved = _claim(lines, Stock.NONE, Stock.RESERVED, refuse=(Stock.RETURNED, Stock.WRITTEN_OFF))
    entries = [_Entry(line.part_id, Kind.RESERVE, line.quantity, line) for line in moved]
    short = _apply(entries, now=now)
    if short:
        raise InsufficientStock(meta={"shortages": _shortages(short)})
    _append(entries, actor=actor, now=now)
    _mark(lines, moved, Stock.RESERVED)


@transaction.atomic
def release(*, lines: Sequence[PartLine], actor: User | None, now: datetime) -> None:
    """Give up what is reserved for the lines. Others are passed over, so that nothing is released twice."""
    moved = _claim(lines, Stock.RESERVED, Stock.NONE)
    _carry_out([_Entry(line.part_id, Kind.RELEASE, line.quantity, line) for line in moved], actor=actor, now=now)
    _mark(lines, moved, Stock.NONE)
    _offer(moved)


@transaction.atomic
def consume(*, lines: Sequence[PartLine], actor: User | None, now: datetime) -> None:
    """Take what is reserved for the lines off the shelf; lines that are consumed are passed over. Raises StockConflict
    for one without a reservation."""
    unreserved = (Stock.NONE, Stock.RETURNED, Stock.WRITTEN_OFF)
    moved = _claim(lines, Stock.RESERVED, Stock.CONSUMED, refuse=unreserved)
    _carry_out([_Entry(line.part_id, Kind.CONSUME, line.quantity, line) for line in moved], actor=actor, now=now)
    _mark(lines, moved, Stock.CONSUMED)


@transaction.atomic
def give_back(*, lines: Sequence[PartLine], actor: User | None, now: datetime, reason: str) -> None:
    """Put what the lines have consumed back on the shelf; lines that have not consumed anything are passed over.
    Raises StockLimit."""
    moved = _claim(lines, Stock.CONSUMED, Stock.RETURNED)
    entries = [_Entry(line.part_id, Kind.RETURN, line.quantity, line) for line in moved]
    if _apply(entries, now=now):
        raise StockLimit
    _append(entries, actor=actor, now=now, reason=reason)
    _mark(lines, moved, Stock.RETURNED)
    _offer(moved)


@transaction.atomic
def write_off(*, lines: Sequence[PartLine], actor: User | None, now: datetime, reason: str) -> None:
    """Book what the lines have consumed as lost; lines that have not consumed anything are passed over. On the ledger
    it comes back and is scrapped: losses are the sum of the scrapping, and on_hand stays."""
    moved = _claim(lines, Stock.CONSUMED, Stock.WRITTEN_OFF)
    lock_parts(part_ids=[line.part_id for line in moved])
    entries = [_Entry(line.part_id, kind, line.quantity, line) for line in moved for kind in (Kind.RETURN, Kind.SCRAP)]
    _append(entries, actor=actor, now=now, reason=reason)
    _mark(lines, moved, Stock.WRITTEN_OFF)


@transaction.atomic
def receive(
    *,
    part_id: int,
    quantity: Decimal,
    actor: User | None,
    now: datetime,
    reference: str = "",
    reason: str = "",
) -> None:
    """Put more on the shelf; `reference` is the delivery note. Raises QuantityNotPositive, StockLimit,
    NotFound."""
    _require_positive(quantity)
    entry = _Entry(part_id, Kind.RECEIVE, quantity)
    if _apply([entry], now=now):
        if Part.objects.filter(pk=part_id).exists():
            raise StockLimit(attr="quantity")
        raise NotFound
    _append([entry], actor=actor, now=now, reference=reference, reason=reason)


@transaction.atomic
def adjust(*, part_id: int, counted: Decimal, reason: str, actor: User | None, now: datetime) -> None:
    """Make on_hand what was counted; a count that agrees goes on the ledger too. Raises CountedBelowReserved,
    NotFound."""
    part = lock_parts(part_ids=[part_id]).get(part_id)
    if part is None:
        raise NotFound
    if counted < part.reserved:
        raise CountedBelowReserved(attr="counted", meta={"reserved": part.reserved, "on_hand": part.on_hand})
    _carry_out([_Entry(part_id, Kind.ADJUST, counted - part.on_hand)], actor=actor, now=now, reason=reason)


@transaction.atomic
def scrap(*, part_id: int, quantity: Decimal, reason: str, actor: User | None, now: datetime) -> None:
    """Throw away some of what is available. Raises QuantityNotPositive, InsufficientStock, NotFound."""
    _require_positive(quantity)
    entry = _Entry(part_id, Kind.SCRAP, quantity)
    short = _apply([entry], now=now)
    if short:
        shortages = _shortages(short)
        if not shortages:
            raise NotFound
        raise InsufficientStock(attr="quantity", meta={"shortages": shortages})
    _append([entry], actor=actor, now=now, reason=reason)


def _require_positive(quantity: Decimal) -> None:
    if quantity <= 0:
        raise QuantityNotPositive(attr="quantity")


def _offer(freed: Sequence[PartLine]) -> None:
    """Let the sweep give what became free to tickets that wait for it; they may not be locked after parts."""
    if freed:
        ring_on_commit("workshop.tasks.resume_waiting")


def _claim(lines: Iterable[PartLine], current: Stock, to: Stock, *, refuse: Collection[Stock] = ()) -> list[PartLine]:
    """Those of the lines, as the database has them, whose stock was `current` and is now `to`. Raises StockConflict for
    one in a state of `refuse`, and for one that somebody without the ticket's lock moves at this moment."""
    rows = list(PartLine.objects.filter(pk__in=[line.pk for line in lines]).order_by("pk"))
    refused = [row.pk for row in rows if row.stock in refuse]
    claimed = [row for row in rows if row.stock == current]
    guarded = PartLine.objects.filter(pk__in=[row.pk for row in claimed], stock=current)
    if refused or (claimed and guarded.update(stock=to) != len(claimed)):
        raise StockConflict(meta={"lines": refused or [row.pk for row in claimed]})
    return claimed


def _mark(lines: Iterable[PartLine], moved: Iterable[PartLine], stock: Stock) -> None:
    """What the caller holds in memory says what the database says."""
    ids = {line.pk for line in moved}
    for line in lines:
        if line.pk in ids:
            line.stock = stock


def _carry_out(
    entries: Sequence[_Entry], *, actor: User | None, now: datetime, reason: str = "", reference: str = ""
) -> None:
    """Raises StockConflict when a part cannot follow, which only a ledger that does not add up can cause."""
    refused = _apply(entries, now=now)
    if refused:
        raise StockConflict(meta={"parts": sorted(refused)})
    _append(entries, actor=actor, now=now, reason=reason, reference=reference)


def _apply(entries: Iterable[_Entry], *, now: datetime) -> dict[int, Decimal]:
    """Change the parts, one guarded UPDATE each, by id. What comes back are those that could not follow, with the
    quantity that was asked of them; the caller raises, which undoes the others."""
    totals: dict[int, tuple[Decimal, Decimal, Decimal]] = {}
    for entry in entries:
        asked, on_hand, reserved = totals.get(entry.part_id, (Decimal(0),) * 3)
        totals[entry.part_id] = (asked + entry.quantity, on_hand + entry.deltas[0], reserved + entry.deltas[1])
    return {
        part_id: asked
        for part_id, (asked, on_hand, reserved) in sorted(totals.items())
        if not _change(part_id, on_hand=on_hand, reserved=reserved, now=now)
    }


def _change(part_id: int, *, on_hand: Decimal, reserved: Decimal, now: datetime) -> bool:
    """Whether the part could be changed so that 0 <= reserved <= on_hand still holds. Rounded, because SQLite adds
    decimals as floats."""
    new = {
        "on_hand": Round(F("on_hand") + on_hand, precision=PLACES),
        "reserved": Round(F("reserved") + reserved, precision=PLACES),
    }
    admitted = (
        Part.objects.filter(pk=part_id)
        .alias(new_on_hand=new["on_hand"], new_reserved=new["reserved"])
        .filter(new_reserved__gte=0, new_on_hand__gte=F("new_reserved"), new_on_hand__lte=MAX_QUANTITY)
    )
    return admitted.update(**new, updated_at=now) == 1


def _append(
    entries: Sequence[_Entry], *, actor: User | None, now: datetime, reason: str = "", reference: str = ""
) -> None:
    """Write the movements of parts that are changed already, and what follows from them. Their rows are ours since, so
    the on_hand of before is what it is now without the entries."""
    if not entries:
        return
    parts = {part.pk: part for part in Part.objects.filter(pk__in={entry.part_id for entry in entries})}
    on_hand = {pk: part.on_hand for pk, part in parts.items()}
    for entry in entries:
        on_hand[entry.part_id] -= entry.deltas[0]
    movements = []
    for entry in entries:
        before, (delta, reserved_delta) = on_hand[entry.part_id], entry.deltas
        on_hand[entry.part_id] = after = before + delta
        movements.append(
            StockMovement(
                part_id=entry.part_id, kind=entry.kind, quantity=abs(entry.quantity),
                on_hand_delta=delta, reserved_delta=reserved_delta, before=before, after=after,
                reason=reason, reference=reference, line=entry.line, actor=actor, at=now,
            )
        )  # fmt: skip
    StockMovement.objects.bulk_create(movements)
    settle_alerts(parts=list(parts.values()), now=now)
    caches.inventory.bump_on_commit()


def _shortages(needed: dict[int, Decimal]) -> list[dict[str, object]]:
    return [
        {"part": part.pk, "sku": part.sku, "name": part.name, "needed": needed[part.pk], "available": part.available}
        for part in Part.objects.filter(pk__in=needed).order_by("pk")
    ]
