"""The tables of the workshop, by noun."""

from workshop.models.invoicing import (
    CreditNote,
    CreditNoteLine,
    DocumentSequence,
    Invoice,
    InvoiceLine,
    Payment,
)
from workshop.models.people import Customer, Mechanic, Supplier
from workshop.models.products import PriceProposal, Product
from workshop.models.purchasing import Delivery, PurchaseOrder, PurchaseOrderLine
from workshop.models.stock import LowStockAlert, Part, StockAudit, StockMovement
from workshop.models.tickets import (
    EstimateLink,
    FeeLine,
    Job,
    LabourLine,
    PartLine,
    ServiceTicket,
    TicketEvent,
    TimeEntry,
)

__all__ = [
    "CreditNote",
    "CreditNoteLine",
    "Customer",
    "Delivery",
    "DocumentSequence",
    "EstimateLink",
    "FeeLine",
    "Invoice",
    "InvoiceLine",
    "Job",
    "LabourLine",
    "LowStockAlert",
    "Mechanic",
    "Part",
    "PartLine",
    "Payment",
    "PriceProposal",
    "Product",
    "PurchaseOrder",
    "PurchaseOrderLine",
    "ServiceTicket",
    "StockAudit",
    "StockMovement",
    "Supplier",
    "TicketEvent",
    "TimeEntry",
]
