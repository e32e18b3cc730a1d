"""Who uses the product: users, roles, tokens, and the shared outbox, exports and idempotency records."""
