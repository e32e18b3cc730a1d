"""The workshop of the demo data: two years of services behind it, stock on the shelf and on its way, and a ticket in
each of the states that a day brings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Max

from accounts.demo import Look
from accounts.models import User
from cars.demo import ACCORD, ACCORD_SPORT, AUDI, BUS, CIVIC, FOCUS, GOLF, OUTBACK
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
OPENED_DAYS_AGO = 725
SUPPLIERS = ("Nordteile GmbH", "Brake & Drive Ltd")
# SKU, name, unit, price, cost, threshold, on hand at first, supplier.
PARTS = (
    ("OF-2003", "Oil filter, spin-on", "piece", "9.80", "4.10", 5, 30, 0),
    ("EO-5W30", "Engine oil 5W-30", "litre", "12.50", "6.20", 20, 90, 0),
    ("AF-1120", "Air filter", "piece", "18.90", "9.40", 3, 11, 0),
    ("SP-4PK", "Spark plugs, set of four", "set", "36.00", "19.50", 2, 8, 0),
    ("WB-600", "Wiper blade 600 mm", "piece", "14.20", "6.90", 6, 4, 0),
    ("BP-F30", "Brake pads, front, set", "set", "64.00", "34.00", 4, 11, 1),
    ("BD-F30", "Brake disc, front", "piece", "58.00", "33.50", 4, 10, 1),
    ("BF-DOT4", "Brake fluid DOT 4", "litre", "11.00", "5.30", 5, 12, 1),
    ("SA-R99", "Shock absorber, rear", "piece", "89.00", "52.00", 2, 1, 1),
    ("TB-KIT", "Timing belt kit with water pump", "kit", "184.00", "118.00", 1, 2, 1),
)
PEOPLE = ("alice", "bob", "dora", "frank", "grace", "henry")
WALK_INS = {"dana@example.com": "Dana Walker", "lena@example.com": "Lena Ortiz"}
TRUCK, MINI = "1FTFW1ET9DFC10312", "WMWXP7C50F2A40019"  # The walk-ins'.
LOOKS = (
    Look("service_advisor", "/{admin}/workshop/serviceticket/", "a ticket in every state, and parts that run low"),
    Look("mechanic", "/api/workshop/service-tickets?status=in_progress", "the timing belt, on which Max's clock runs"),
    Look("bob", "/api/workshop/service-tickets", "an estimate that waits for his answer"),
)


class Work(NamedTuple):
    """A job: hours of a mechanic, and parts by SKU."""

    title: str
    hours: str
    parts: Sequence[tuple[str, str]] = ()


class Visit(NamedTuple):
    """A vehicle that came, was worked on by one of the two, left with `odometer` and was paid for."""

    days_ago: int
    who: str
    vin: str
    description: str
    works: Sequence[Work]
    by: str
    odometer: int


OIL = Work("Oil service", "0.80", [("OF-2003", "1"), ("EO-5W30", "4.5")])
AIR = Work("Replace the air filter", "0.30", [("AF-1120", "1")])
PADS = Work("Replace the front brake pads", "1.20", [("BP-F30", "1"), ("BF-DOT4", "0.5")])
DISCS = Work("Replace the front brake discs and pads", "2.20", [("BD-F30", "2"), ("BP-F30", "1")])
PLUGS = Work("Replace the spark plugs", "0.90", [("SP-4PK", "1")])
BELT = Work("Replace the timing belt", "3.50", [("TB-KIT", "1")])
SHOCKS = Work("Replace the rear shock absorbers", "1.80", [("SA-R99", "2")])
WIPERS = Work("New wiper blades", "0.20", [("WB-600", "2")])
CLUTCH = Work("Look for the noise from the clutch", "1.00")
HISTORY = (
    Visit(540, "alice", ACCORD, "Yearly service", [OIL, AIR], "max", 133_900),
    Visit(420, "dora", CIVIC, "Service before the winter", [OIL], "max", 71_500),
    Visit(300, "bob", BUS, "Oil, as every year", [OIL], "max", 637_200),
    Visit(200, "dora", CIVIC, "Inspection, brakes are worn", [OIL, DISCS], "mia", 80_900),
    Visit(170, "alice", ACCORD, "Runs roughly when cold", [PLUGS], "max", 138_100),
    Visit(110, "dora", ACCORD_SPORT, "Service, as every year", [OIL, AIR], "max", 58_300),
    Visit(95, "henry", AUDI, "Yearly service", [OIL, AIR], "max", 95_200),
    Visit(80, "alice", GOLF, "Brakes and oil, before it is sold", [OIL, PADS], "mia", 201_300),
    Visit(60, "frank", FOCUS, "Brakes squeal", [PADS], "mia", 100_900),
)


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:  # noqa: ARG001 - `clear` has made room for a restore
    """Create the workshop, unless it is there."""
    if Part.objects.filter(sku_key=PARTS[0][0].casefold()).exists():
        return
    desk = _Desk(User.objects.get(email="service_advisor@example.com"), now)
    desk.stock_up()
    for visit in HISTORY:
        desk.serve(visit)
    desk.tell_the_day()


@transaction.atomic
def clear() -> None:
    """Remove what `seed` made, and what was done with it since."""
    demo = Customer.objects.filter(email__in=[*WALK_INS, *(f"{name}@example.com" for name in PEOPLE)])
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
    Vehicle.objects.filter(vin__in=[TRUCK, MINI], owner=None).delete()
    for counter in tables.DocumentSequence.objects.filter(kind=tables.DocumentSequence.Kind.INVOICE):
        last = tables.Invoice.objects.filter(year=counter.year).aggregate(last=Max("sequence"))["last"]
        tables.DocumentSequence.objects.filter(pk=counter.pk).update(last=last or 0)  # Given again, unless others were.


class _Desk:
    """Tickets as the desk and the mechanics take them through the years and through today."""

    def __init__(self, advisor: User, now: datetime) -> None:
        self.advisor, self.now = advisor, now
        self.mechanics = {
            "max": self._mechanic("mechanic@example.com", "Max", "78.00", ["engines", "diagnosis"]),
            "mia": self._mechanic("mia@example.com", "Mia", "82.00", ["brakes", "suspension"]),
        }
        self.parts: dict[str, Part] = {}

    def stock_up(self) -> None:
        when = self._ago(OPENED_DAYS_AGO)
        sellers = [
            Supplier.objects.filter(name=name).first() or suppliers.create_supplier(data={"name": name})
            for name in SUPPLIERS
        ]
        for sku, name, unit, price, cost, threshold, on_hand, seller in PARTS:
            data = {"name": name, "sku": sku, "unit": unit, "price": Decimal(price), "cost": Decimal(cost)}
            data |= {"low_stock_threshold": Decimal(threshold), "supplier": sellers[seller]}
            part = inventory.create_part(data=data, now=when)
            quantity = Decimal(on_hand)
            inventory.receive_part(
                part=part, quantity=quantity, reference="Opening stock", actor=self.advisor, now=when
            )
            self.parts[sku] = part

    def serve(self, visit: Visit) -> None:
        """From the door to the last payment."""
        ticket = self._ticket(visit.who, visit.vin, visit.days_ago, visit.description, visit.works, visit.by)
        invoice = self._invoiced(ticket, visit.by, visit.odometer, days_ago=visit.days_ago)
        self._paid(invoice, invoice.total, days_ago=visit.days_ago - 3)

    def tell_the_day(self) -> None:
        """What is in the house at the moment, a ticket in each of its states."""
        self._over()
        invoiced = self._ticket("alice", ACCORD, 21, "Yearly service", [OIL, PADS], "mia")
        self._paid(self._invoiced(invoiced, "mia", 142_012, days_ago=21), Decimal("100.00"), days_ago=18)
        completed = self._ticket("frank", FOCUS, 3, "Misfires on the motorway", [PLUGS, AIR], "max")
        self._completed(completed, "max", 101_300, days_ago=3)
        waiting = self._ticket("dana@example.com", TRUCK, 2, "Knocks over bumps", [SHOCKS], "mia")
        self._authorise(waiting, wait_for_parts=True, days_ago=2)
        self._order_parts()
        resting = self._ticket("lena@example.com", MINI, 1, "A noise from the clutch", [CLUTCH], "max")
        self._authorise(resting, days_ago=1)
        note = "Lena calls back on Friday: a new clutch, or a new car."
        tickets.hold_ticket(ticket=resting, reason="customer", note=note, actor=self.advisor, now=self._ago(1))
        running = self._ticket("henry", AUDI, 0.1, "Timing belt is due", [BELT], "max")
        self._authorise(running, days_ago=0.1)
        worker = self.mechanics["max"].user
        clocks.clock_in(job=running.jobs.get(), actor=worker, now=self.now - timedelta(minutes=50))
        planned = self._ticket("grace", OUTBACK, 0.2, "Oil service before the long trip", [OIL, AIR], "mia")
        self._authorise(planned, days_ago=0.2)
        reviewed = self._ticket("lena@example.com", MINI, 0.3, "Wipers smear", [WIPERS], "mia")
        self._worked(reviewed, "mia", days_ago=0.3)
        asked = self._ticket("bob", BUS, 0.15, "Squeaks when braking", [DISCS], "mia")
        estimates.send_estimate(ticket=asked, actor=self.advisor, now=self.now)
        bus, description = Vehicle.objects.get(vin=BUS), "Please check the air conditioning."
        request = {"vehicle": bus, "service_date": self.now.date(), "description": description}
        tickets.request_ticket(data=request, user=User.objects.get(email="bob@example.com"), now=self.now)

    def _over(self) -> None:
        """What came to nothing."""
        refused = self._ticket("bob", BUS, 150, "Something rattles", [SHOCKS], "mia")
        for job in refused.jobs.all():
            jobs.decline_job(job=job, actor=self.advisor, now=self._ago(149))
        dropped = self._ticket("frank", FOCUS, 90, "Wants new spark plugs", [PLUGS], "max")
        reason = "He found the time to do it himself."
        tickets.cancel_ticket(ticket=dropped, reason=reason, consumed_parts=None, actor=self.advisor, now=self._ago(89))

    def _order_parts(self) -> None:
        """What is short is ordered: the shock absorbers are on their way, the rest is a draft."""
        purchasing.order_shortages(actor=self.advisor, now=self._ago(1))
        order = tables.PurchaseOrder.objects.get(supplier__name=SUPPLIERS[1], status="draft")
        purchasing.send_order(order=order, now=self._ago(1))

    # --- Steps

    def _ago(self, days: float) -> datetime:
        return self.now - timedelta(days=days)

    def _mechanic(self, email: str, name: str, rate: str, skills: list[str]) -> Mechanic:
        user = User.objects.get(email=email)
        data = {"user": user, "display_name": name, "hourly_rate": Decimal(rate), "skills": skills}
        return Mechanic.objects.filter(user=user).first() or mechanics.create_mechanic(data=data)

    def _customer(self, who: str) -> Customer:
        """One of the people by name, or a walk-in by address."""
        email = who if who in WALK_INS else f"{who}@example.com"
        name = WALK_INS.get(email) or User.objects.get(email=email).get_full_name()
        found = Customer.objects.filter(email=email).first()
        return found or customers.create_customer(data={"name": name, "email": email})

    def _ticket(
        self, who: str, vin: str, days_ago: float, description: str, works: Sequence[Work], by: str
    ) -> ServiceTicket:
        day, mechanic = self._ago(days_ago), self.mechanics[by]
        vehicle = {"vin": vin} if who in WALK_INS else {"vehicle": Vehicle.objects.get(vin=vin)}
        data: dict[str, Any] = {"customer": self._customer(who), "service_date": day.date(), **vehicle}
        data |= {"description": description, "promised_at": day + timedelta(days=1)}
        ticket = tickets.create_ticket(data=data, actor=self.advisor, now=day)
        ServiceTicket.objects.filter(pk=ticket.pk).update(created_at=day)
        tickets.edit_mechanics(ticket=ticket, add=[mechanic], remove=[], actor=self.advisor, now=day)
        for work in works:
            job = jobs.add_job(ticket=ticket, data={"title": work.title, "tax_rate": TAX}, actor=self.advisor, now=day)
            hours = {"mechanic": mechanic, "hours": Decimal(work.hours)}
            lines.add_labour_line(job=job, data=hours, actor=self.advisor, now=day)
            for sku, quantity in work.parts:
                data = {"part": self.parts[sku], "quantity": Decimal(quantity)}
                lines.add_part_line(job=job, data=data, actor=self.advisor, now=day)
        return ticket

    def _authorise(self, ticket: ServiceTicket, *, wait_for_parts: bool = False, days_ago: float) -> None:
        for job in ticket.jobs.all():
            jobs.authorise_job(job=job, wait_for_parts=wait_for_parts, actor=self.advisor, now=self._ago(days_ago))

    def _worked(self, ticket: ServiceTicket, by: str, *, days_ago: float) -> datetime:
        """Agreed on, worked on and handed over to the desk, all in one morning; answers when that was over."""
        worker, moment = self.mechanics[by].user, self._ago(days_ago)
        self._authorise(ticket, days_ago=days_ago)
        for job in Job.objects.filter(ticket=ticket):
            clocks.clock_in(job=job, actor=worker, now=moment)
            moment += timedelta(hours=float(job.labour_lines.get().hours) + 0.2)
            clocks.clock_out(job=job, actor=worker, now=moment)
            jobs.finish_job(job=job, actor=worker, now=moment)
        tickets.review_ticket(ticket=ticket, actor=worker, now=moment)
        return moment

    def _completed(self, ticket: ServiceTicket, by: str, odometer: int, *, days_ago: float) -> datetime:
        moment = self._worked(ticket, by, days_ago=days_ago)
        reading = {"odometer_out": odometer}
        tickets.update_ticket(ticket=ticket, data=reading, actor=self.advisor, now=moment)
        tickets.complete_ticket(ticket=ticket, actor=self.advisor, now=moment)
        return moment

    def _invoiced(self, ticket: ServiceTicket, by: str, odometer: int, *, days_ago: float) -> tables.Invoice:
        moment = self._completed(ticket, by, odometer, days_ago=days_ago)
        return invoicing.issue_invoice(ticket=ticket, actor=self.advisor, now=moment)

    def _paid(self, invoice: tables.Invoice, amount: Decimal, *, days_ago: float) -> None:
        payments.record_payment(
            invoice=invoice,
            amount=amount,
            method="card",
            reference=f"TX-{invoice.number}",
            actor=self.advisor,
            now=self._ago(days_ago),
        )
