"""Staff pages of the workshop, by noun. Status, stock and money are read-only; forms and actions call services."""

from workshop.admin import dashboard, invoicing, people, products, purchasing, stock, tickets

__all__ = ["dashboard", "invoicing", "people", "products", "purchasing", "stock", "tickets"]
