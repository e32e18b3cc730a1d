"""Every write of the workshop, and what it refuses, by noun."""
