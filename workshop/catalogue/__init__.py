"""The suppliers' catalogue as a source of the sync engine (`cars.sync`)."""
