"""The query parameters of the lists of parking, by noun."""
