"""Money taken for stays. Rows are never changed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from common.errors import Conflict
from common.money import ZERO
from parking.models import ParkingPayment, Reservation
from parking.services.states import change_reservation, lock_reservation, record_event


class StayNotCompleted(Conflict):
    """What a stay costs is known when the vehicle has left."""

    code = "stay_not_completed"
    detail = "There is nothing to pay before the vehicle has been released."


class PaymentExceedsCost(Conflict):
    """More than is still owed; `meta.balance` says how much that is."""

    code = "payment_exceeds_cost"
    detail = "The payment exceeds what is still owed for this stay."


@transaction.atomic
def record_stay_payment(
    *, reservation: Reservation, amount: Decimal, method: str, reference: str = "", actor: User, now: datetime
) -> ParkingPayment:
    """Write down money that came in, all at once or in parts. Raises StayNotCompleted, PaymentExceedsCost, NotFound."""
    reservation = lock_reservation(reservation.pk)
    if reservation.status != Reservation.Status.COMPLETED:
        raise StayNotCompleted(meta={"status": reservation.status})
    cost = reservation.cost or ZERO
    if amount > cost - reservation.paid:
        raise PaymentExceedsCost(attr="amount", meta={"balance": cost - reservation.paid, "cost": cost})
    payment = ParkingPayment.objects.create(
        reservation=reservation, amount=amount, method=method, reference=reference, received_at=now, received_by=actor
    )
    change_reservation(reservation, paid=reservation.paid + amount)
    record_event(reservation, "paid", actor=actor, now=now, new=str(amount))
    return payment
