"""Auctions under load: made-up bidders against real servers, and a check that nothing went wrong. For
`manage.py simulate_auction`."""
