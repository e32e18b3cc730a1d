"""Parking: lots, spots, rates, reservations, checks, payments, reminders and monthly reports."""
