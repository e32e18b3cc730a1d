"""A long random life of the settlement of sales, at whose end the ledger has to add up."""
