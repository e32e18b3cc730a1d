"""The query parameters of the workshop's lists, by noun."""
