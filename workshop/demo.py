"""The workshop of the demo data: stock on the shelf, and a ticket in each of the states that a day brings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction

from accounts.models import User
from cars.models import Vehicle
from workshop import models as tables
from workshop.models import Customer, Job, Mechanic, Part, ServiceTicket, Supplier
from workshop.services import (
    clocks,
    customers,
    estimates,
    inventory,
    invoicing,
    jobs,
    lines,
    mechanics,
    payments,
    purchasing,
    suppliers,
    tickets,
)

TAX = Decimal("20.00")
SUPPLIERS = ("Nordteile GmbH", "Brake & Drive Ltd")
# SKU, name, unit, price, cost, threshold, on hand, supplier.
PARTS = (
    ("OF-2003", "Oil filter, spin-on", "piece", "9.80", "4.10", 5, 24, 0),
    ("EO-5W30", "Engine oil 5W-30", "litre", "12.50", "6.20", 20, 60, 0),
    ("AF-1120", "Air filter", "piece", "18.90", "9.40", 3, 8, 0),
    ("SP-4PK", "Spark plugs, set of four", "set", "36.00", "19.50", 2, 6, 0),
    ("WB-600", "Wiper blade 600 mm", "piece", "14.20", "6.90", 6, 4, 0),
    ("BP-F30", "Brake pads, front, set", "set", "64.00", "34.00", 4, 9, 1),
    ("BD-F30", "Brake disc, front", "piece", "58.00", "33.50", 4, 8, 1),
    ("BF-DOT4", "Brake fluid DOT 4", "litre", "11.00", "5.30", 5, 12, 1),
    ("SA-R99", "Shock absorber, rear", "piece", "89.00", "52.00", 2, 1, 1),
    ("TB-KIT", "Timing belt kit with water pump", "kit", "184.00", "118.00", 1, 2, 1),
)
WALK_IN = "dana@example.com"
WALK_IN_VIN = "1FTFW1ET9DFC10312"


class Work(NamedTuple):
    """A job: hours of a mechanic, and parts by SKU."""

    title: str
    hours: str
    parts: Sequence[tuple[str, str]] = ()


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:  # noqa: ARG001 - `clear` has made room for a restore
    """Create the workshop, unless it is there."""
    if Part.objects.filter(sku_key=PARTS[0][0].casefold()).exists():
        return
    advisor = User.objects.get(email="service_advisor@example.com")
    _stock(advisor, now)
    _Day(advisor, now).tell()


@transaction.atomic
def clear() -> None:
    """Remove what `seed` made, and what was done with it since."""
    demo = Customer.objects.filter(email__in=["alice@example.com", "bob@example.com", WALK_IN])
    invoices = tables.Invoice.objects.filter(customer__in=demo)
    tables.CreditNoteLine.objects.filter(credit_note__invoice__in=invoices).delete()
    tables.CreditNote.objects.filter(invoice__in=invoices).delete()
    for model in (tables.Payment, tables.InvoiceLine):
        model.objects.filter(invoice__in=invoices).delete()
    invoices.delete()
    ServiceTicket.objects.filter(customer__in=demo).delete()
    demo.delete()
    parts = Part.objects.filter(sku_key__in=[row[0].casefold() for row in PARTS])
    tables.PurchaseOrder.objects.filter(lines__part__in=parts).delete()
    tables.StockMovement.objects.filter(part__in=parts).delete()
    parts.exclude(lines__isnull=False).delete()
    Vehicle.objects.filter(vin=WALK_IN_VIN, owner=None).delete()


def _stock(advisor: User, now: datetime) -> None:
    sellers = [
        Supplier.objects.filter(name=name).first() or suppliers.create_supplier(data={"name": name})
        for name in SUPPLIERS
    ]
    for sku, name, unit, price, cost, threshold, on_hand, seller in PARTS:
        data = {"name": name, "sku": sku, "unit": unit, "price": Decimal(price), "cost": Decimal(cost)}
        data |= {"low_stock_threshold": Decimal(threshold), "supplier": sellers[seller]}
        part = inventory.create_part(data=data, now=now)
        inventory.receive_part(part=part, quantity=Decimal(on_hand), reference="Opening stock", actor=advisor, now=now)


class _Day:
    """Tickets as the desk and the mechanics would take them through the day."""

    def __init__(self, advisor: User, now: datetime) -> None:
        self.advisor, self.now = advisor, now
        self.max = self._mechanic("mechanic@example.com", "Max", "78.00", ["engines", "diagnosis"])
        self.mia = self._mechanic("mia@example.com", "Mia", "82.00", ["brakes", "suspension"])

    def tell(self) -> None:
        alice, bob = self._customer("alice@example.com", "Alice Demo"), self._customer("bob@example.com", "Bob Demo")
        dana = self._customer(WALK_IN, "Dana Walker")
        accord, golf, bus = (
            Vehicle.objects.get(vin=vin) for vin in ("1HGCM82633A004352", "WVWZZZ1JZXW000001", "1M8GDM9AXKP042788")
        )
        service = (
            Work("Oil service", "0.80", [("OF-2003", "1"), ("EO-5W30", "4.5")]),
            Work("Replace the front brake pads", "1.20", [("BP-F30", "1"), ("BF-DOT4", "0.5")]),
        )
        serviced = self._ticket(alice, {"vehicle": accord}, 21, "Yearly service", service, self.mia)
        self._finished(serviced, service, odometer_out=142_012)
        shocks = Work("Replace the rear shock absorbers", "1.80", [("SA-R99", "2")])
        waiting = self._ticket(dana, {"vin": WALK_IN_VIN}, 2, "Knocks over bumps", [shocks], self.mia)
        self._authorise(waiting, wait_for_parts=True)
        purchasing.order_shortages(actor=self.advisor, now=self.now)
        belt = Work("Replace the timing belt", "3.50", [("TB-KIT", "1")])
        running = self._ticket(alice, {"vehicle": golf}, 0, "Timing belt is due", [belt], self.max)
        self._authorise(running)
        clocks.clock_in(job=running.jobs.get(), actor=self.max.user, now=self.now - timedelta(minutes=50))
        asked = self._ticket(
            bob,
            {"vehicle": bus},
            0,
            "Squeaks when braking, wipers smear",
            [
                Work("Replace the front brake discs and pads", "2.20", [("BD-F30", "2"), ("BP-F30", "1")]),
                Work("New wiper blades", "0.20", [("WB-600", "2")]),
            ],
            self.mia,
        )
        estimates.send_estimate(ticket=asked, actor=self.advisor, now=self.now)
        request = {"vehicle": bus, "service_date": self.now.date(), "description": "Please check the air conditioning."}
        tickets.request_ticket(data=request, user=User.objects.get(email=bob.email), now=self.now)

    def _mechanic(self, email: str, name: str, rate: str, skills: list[str]) -> Mechanic:
        user = User.objects.get(email=email)
        data = {"user": user, "display_name": name, "hourly_rate": Decimal(rate), "skills": skills}
        return Mechanic.objects.filter(user=user).first() or mechanics.create_mechanic(data=data)

    def _customer(self, email: str, name: str) -> Customer:
        found = Customer.objects.filter(email=email).first()
        return found or customers.create_customer(data={"name": name, "email": email})

    def _ticket(
        self,
        customer: Customer,
        vehicle: dict[str, Any],
        days_ago: int,
        description: str,
        works: Sequence[Work],
        mechanic: Mechanic,
    ) -> ServiceTicket:
        day = self.now - timedelta(days=days_ago)
        data = {"customer": customer, "service_date": day.date(), "description": description, **vehicle}
        data["promised_at"] = day + timedelta(days=1)
        ticket = tickets.create_ticket(data=data, actor=self.advisor, now=day)
        tickets.edit_mechanics(ticket=ticket, add=[mechanic], remove=[], actor=self.advisor, now=day)
        for work in works:
            job = jobs.add_job(ticket=ticket, data={"title": work.title, "tax_rate": TAX}, actor=self.advisor, now=day)
            hours = {"mechanic": mechanic, "hours": Decimal(work.hours)}
            lines.add_labour_line(job=job, data=hours, actor=self.advisor, now=day)
            for sku, quantity in work.parts:
                data = {"part": Part.objects.get(sku=sku), "quantity": Decimal(quantity)}
                lines.add_part_line(job=job, data=data, actor=self.advisor, now=day)
        return ticket

    def _authorise(self, ticket: ServiceTicket, *, wait_for_parts: bool = False, days_ago: int = 0) -> None:
        day = self.now - timedelta(days=days_ago)
        for job in ticket.jobs.all():
            jobs.authorise_job(job=job, wait_for_parts=wait_for_parts, actor=self.advisor, now=day)

    def _finished(self, ticket: ServiceTicket, works: Sequence[Work], *, odometer_out: int) -> None:
        """Worked, completed, invoiced and half paid, over the last three weeks."""
        day = self.now - timedelta(days=20)
        self._authorise(ticket, days_ago=21)
        worker = self.mia.user
        for job, work in zip(Job.objects.filter(ticket=ticket), works, strict=True):
            clocks.clock_in(job=job, actor=worker, now=day)
            day += timedelta(hours=float(work.hours) + 0.2)
            clocks.clock_out(job=job, actor=worker, now=day)
            jobs.finish_job(job=job, actor=worker, now=day)
        reading = {"odometer_out": odometer_out}
        tickets.update_ticket(ticket=ticket, data=reading, actor=self.advisor, now=day)
        tickets.review_ticket(ticket=ticket, actor=worker, now=day)
        tickets.complete_ticket(ticket=ticket, actor=self.advisor, now=self.now - timedelta(days=19))
        invoice = invoicing.issue_invoice(ticket=ticket, actor=self.advisor, now=self.now - timedelta(days=19))
        payments.record_payment(
            invoice=invoice, amount=Decimal("100.00"), method="card", reference="TX-1", actor=self.advisor, now=self.now
        )
