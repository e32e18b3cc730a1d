"""Where products come from. Each adapter fetches and names the fields; it knows nothing of the database."""
