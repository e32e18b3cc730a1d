"""What staff do in the workshop's pages goes through the services."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.conftest import MakeUser
from tests.workshop.factories import (
    CustomerFactory,
    JobFactory,
    PartFactory,
    ProductFactory,
    SupplierFactory,
    TicketFactory,
)
from tests.workshop.test_ticket_states import used_ticket
from workshop.models import Customer, Part, PriceProposal, PurchaseOrder, ServiceTicket, StockAudit, TicketEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def advisor(client: Client, make_user: MakeUser) -> Client:
    client.force_login(make_user(roles=["service_advisor"]))
    return client


def test_a_new_customer_is_linked_to_the_user_of_the_address(advisor: Client, user: User) -> None:
    form = {"name": "Alice", "email": user.email.upper(), "phone": "", "user": "", "notes": ""}
    assert advisor.post(reverse("admin:workshop_customer_add"), form).status_code == 302
    assert Customer.objects.get().user == user


def test_a_customer_with_a_ticket_is_not_deleted(advisor: Client) -> None:
    customer = TicketFactory().customer
    advisor.post(reverse("admin:workshop_customer_delete", args=[customer.pk]), {"post": "yes"})
    assert Customer.objects.filter(pk=customer.pk).exists()


def test_a_taken_sku_is_shown_as_an_error_of_the_form(advisor: Client) -> None:
    PartFactory(sku="BP-1")
    form = {"name": "Pads", "sku": "bp-1", "unit": "piece", "price": "1", "cost": "1", "low_stock_threshold": "0"}
    answer = advisor.post(reverse("admin:workshop_part_add"), form)
    assert answer.status_code == 200
    assert Part.objects.count() == 1


def test_quantities_are_not_edited(advisor: Client) -> None:
    part = PartFactory(on_hand=3)
    form = {"name": "New", "sku": part.sku, "unit": "piece", "price": "1", "cost": "1", "low_stock_threshold": "0"}
    form["on_hand"] = "99"
    assert advisor.post(reverse("admin:workshop_part_change", args=[part.pk]), form).status_code == 302
    part.refresh_from_db()
    assert (part.name, part.on_hand) == ("New", Decimal(3))


def test_a_ticket_moves_by_its_commands_only(advisor: Client) -> None:
    ticket = TicketFactory(status="authorised")
    JobFactory(ticket=ticket, state="authorised")
    advisor.get(reverse("admin:workshop_serviceticket_start", args=[ticket.pk]))
    ticket.refresh_from_db()
    assert ticket.status == ServiceTicket.Status.IN_PROGRESS
    assert TicketEvent.objects.filter(ticket=ticket, new="in_progress").exists()
    refused = advisor.get(reverse("admin:workshop_serviceticket_complete", args=[ticket.pk]), follow=True)
    assert "open jobs, odometer out missing, no mechanic, not reviewed" in refused.content.decode()
    ticket.refresh_from_db()
    assert ticket.status == ServiceTicket.Status.IN_PROGRESS


def test_a_ticket_is_cancelled_with_what_became_of_used_parts(advisor: Client) -> None:
    ticket, used, _ = used_ticket()
    cancel = reverse("admin:workshop_serviceticket_cancel", args=[ticket.pk])
    assert f"Cancel: {ticket}?" in advisor.get(cancel).content.decode()
    refused = advisor.post(cancel, {"reason": "Sold.", "consumed_parts": ""}).content.decode()
    assert "Parts of this ticket were used." in refused
    assert 'value="Sold."' in refused
    assert "Select a valid choice" in advisor.post(cancel, {"consumed_parts": "kept"}).content.decode()
    ticket.refresh_from_db()
    assert ticket.status != ServiceTicket.Status.CANCELLED
    advisor.post(cancel, {"reason": "Sold.", "consumed_parts": "return"})
    ticket.refresh_from_db()
    used.refresh_from_db()
    assert (ticket.status, used.stock) == (ServiceTicket.Status.CANCELLED, "returned")
    assert ticket.events.get(kind="status").note == "Sold."


def test_an_order_is_cancelled_when_it_is_meant(advisor: Client) -> None:
    order = PurchaseOrder.objects.create(supplier=SupplierFactory())
    cancel = reverse("admin:workshop_purchaseorder_cancel", args=[order.pk])
    advisor.get(cancel)
    order.refresh_from_db()
    assert order.status == PurchaseOrder.Status.DRAFT
    advisor.post(cancel)
    order.refresh_from_db()
    assert order.status == PurchaseOrder.Status.CANCELLED


def test_a_price_is_accepted_from_the_list(advisor: Client) -> None:
    product = ProductFactory(price=Decimal("10.00"))
    proposal = PriceProposal.objects.create(product=product, old_price=Decimal("10.00"), new_price=Decimal("20.00"))
    form = {"action": "accept", "_selected_action": [proposal.pk]}
    advisor.post(reverse("admin:workshop_priceproposal_changelist"), form)
    product.refresh_from_db()
    assert product.price == Decimal("20.00")


def test_the_audit_runs_when_asked(advisor: Client) -> None:
    advisor.get(reverse("admin:workshop_stockaudit_audit_now"))
    assert StockAudit.objects.get().differences == 0


def test_mechanics_see_parts_but_neither_tickets_nor_invoices(client: Client, make_user: MakeUser) -> None:
    CustomerFactory()
    client.force_login(make_user(roles=["mechanic"]))
    assert client.get(reverse("admin:workshop_part_changelist")).status_code == 200
    for name in ("serviceticket", "invoice", "customer", "stockmovement"):
        assert client.get(reverse(f"admin:workshop_{name}_changelist")).status_code == 403


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 302), ("none", 302)]
)
def test_a_button_is_not_pressed_from_another_site(advisor: Client, site: str, status: int) -> None:
    answer = advisor.get(reverse("admin:workshop_stockaudit_audit_now"), headers={"Sec-Fetch-Site": site})
    assert answer.status_code == status
    assert StockAudit.objects.exists() is (status == 302)
