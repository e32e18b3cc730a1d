"""Every write of parking, and what it refuses, by noun."""
