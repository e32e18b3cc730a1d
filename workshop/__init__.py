"""Workshop: customers, mechanics, tickets, stock, purchasing, invoices and the product catalogue."""
