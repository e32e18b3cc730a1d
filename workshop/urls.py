"""The app's routes: `routes` go on the project's one router, `urlpatterns` are the plain views beside it under
`/api/`, `pages` are for people."""

from __future__ import annotations

from django.urls import path

from workshop.views.customers import CustomerViewSet
from workshop.views.estimates import EstimatePage, EstimateView
from workshop.views.inventory import PartViewSet
from workshop.views.invoicing import CreditNoteViewSet, InvoiceViewSet
from workshop.views.jobs import FeeLineViewSet, JobViewSet, LabourLineViewSet, PartLineViewSet
from workshop.views.mechanics import MechanicViewSet
from workshop.views.products import PriceProposalViewSet, ProductViewSet
from workshop.views.purchasing import PurchaseOrderViewSet
from workshop.views.suppliers import SupplierViewSet
from workshop.views.tickets import OwnTicketViewSet, TicketJobViewSet, TicketViewSet

routes: list[tuple[str, type, str]] = [
    ("workshop/customers", CustomerViewSet, "workshop-customer"),
    ("workshop/mechanics", MechanicViewSet, "workshop-mechanic"),
    ("workshop/suppliers", SupplierViewSet, "workshop-supplier"),
    ("workshop/service-tickets", TicketViewSet, "service-ticket"),
    ("workshop/service-tickets/<pk:ticket_pk>/jobs", TicketJobViewSet, "service-ticket-job"),
    ("workshop/my-tickets", OwnTicketViewSet, "own-ticket"),
    ("workshop/jobs", JobViewSet, "job"),
    ("workshop/jobs/<pk:job_pk>/labour-lines", LabourLineViewSet, "labour-line"),
    ("workshop/jobs/<pk:job_pk>/part-lines", PartLineViewSet, "part-line"),
    ("workshop/jobs/<pk:job_pk>/fee-lines", FeeLineViewSet, "fee-line"),
    ("workshop/inventory", PartViewSet, "part"),
    ("workshop/products", ProductViewSet, "product"),
    ("workshop/price-proposals", PriceProposalViewSet, "price-proposal"),
    ("workshop/invoices", InvoiceViewSet, "workshop-invoice"),
    ("workshop/credit-notes", CreditNoteViewSet, "workshop-credit-note"),
    ("workshop/purchase-orders", PurchaseOrderViewSet, "workshop-purchase-order"),
]
urlpatterns: list = [
    path("workshop/estimates/<str:token>", EstimateView.as_view(), name="estimate"),
]
pages: list = [
    path("estimates/<str:token>", EstimatePage.as_view(), name="estimate-page"),
]
