"""Rows of the marketplace and of the catalogue for the benchmarks: the same ones each time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.db import connection

from tests.benchmarks.parking_rows import make_users, unchecked

if TYPE_CHECKING:
    from accounts.models import User

SELLERS, BIDDERS = 100, 1000
BIDS = 10  # Of each auction, by five people in turn.
# One vehicle, listing, auction and order per number. One auction in five is live and ends within ten days, the others
# were sold, all to one buyer, whose card was declined.
STATEMENTS = (
    """
INSERT INTO cars_vehicle (id, created_at, updated_at, vin_exempt_reason, plate, plate_key, year, make, model, trim,
                          color, mileage, mileage_unit, owner_id)
SELECT n, now(), now(), 'bench', 'FC ' || n, 'FC' || n, 2000 + n %% 25, 'Honda', 'Accord', 'EX', 'grey', n %% 200000,
       'mi', (%(sellers)s::bigint[])[1 + n %% %(seller_count)s]
  FROM generate_series(1, %(listings)s) AS n""",
    """
INSERT INTO auctions_listing
  (id, created_at, updated_at, status, year, make, make_key, model, model_key, trim, body_type, engine, transmission,
   drivetrain, fuel_type, exterior_color, interior_color, mileage, odometer_status, condition, title_type, title_state,
   has_keys, shares_history, description, starting_price, currency, location_address, location_city, location_state,
   location_zip, published_at, matched_at, auction_id, seller_id, vehicle_id)
SELECT id, created_at, updated_at, CASE WHEN id %% 5 = 0 THEN 'in_auction' ELSE 'sold' END, year, make, lower(make),
       model, lower(model), trim, 'sedan', '2.4 L', 'automatic', 'fwd', 'gasoline', 'grey', 'black', mileage, 'actual',
       'runs_drives', 'clean', 'NY', true, true, 'One owner, no rust, new tyres in spring.', 1000, 'USD', '',
       'Albany', 'NY', '12207', created_at - id * interval '1 minute', created_at, id, owner_id, id
  FROM cars_vehicle""",
    """
INSERT INTO auctions_auction
  (id, created_at, updated_at, status, currency, starts_at, ends_at, original_ends_at, opened_at, closed_at,
   soft_close_window_s, soft_close_extension_s, extensions, under_reserve, starting_price, increments, fee_schedule,
   price, leader_id, leader_number, leader_max, runner_up_max, bid_count, bid_seq, bidder_count, event_seq, log_seq,
   log_hash, created_by_id, seller_id, listing_id)
SELECT id, created_at, updated_at, CASE WHEN is_live THEN 'live' ELSE 'sold' END, currency,
       ends_at - interval '20 days', ends_at, ends_at, ends_at - interval '20 days', CASE WHEN NOT is_live THEN ends_at
       END, 120, 120, 0, 'jump', 1000, '[{"up_to": null, "step": "1.00"}]', %(fees)s::jsonb, 1000 + 10 * %(bids)s,
       (%(bidders)s::bigint[])[1 + (id + %(bids)s) %% %(bidder_count)s], 5, 1001 + 10 * %(bids)s, 1000 + 10 * %(bids)s,
       %(bids)s, %(bids)s, 5, %(bids)s, %(bids)s, '', seller_id, seller_id, id
  FROM auctions_listing,
       LATERAL (SELECT status = 'in_auction' AS is_live) AS live,
       LATERAL (SELECT now() + CASE WHEN is_live THEN id %% 14400 ELSE -id END * interval '1 minute' + interval '1 hour'
                       * CASE WHEN is_live THEN 1 ELSE -1 END AS ends_at) AS closing""",
    """
INSERT INTO auctions_auctionbidder (auction_id, user_id, number, maximum, first_bid_at)
SELECT id, (%(bidders)s::bigint[])[1 + (id + number) %% %(bidder_count)s], number, 1100, starts_at
  FROM auctions_auction, generate_series(1, 5) AS number""",
    """
INSERT INTO auctions_auctionlogentry
  (id, seq, kind, at, alias, amount, price, leader_alias, ends_at, deadline, reason, salt, commitment, previous_hash,
   hash, auction_id, bidder_id)
SELECT gen_random_uuid(), seq, 'bid', starts_at + seq * interval '1 hour', 'Bidder ' || number, 1000 + 10 * seq,
       1000 + 10 * seq, 'Bidder ' || number, ends_at, ends_at, '', '', '', '', '', id,
       (%(bidders)s::bigint[])[1 + (id + number) %% %(bidder_count)s]
  FROM auctions_auction, generate_series(1, %(bids)s) AS seq, LATERAL (SELECT 1 + seq %% 5 AS number) AS turn""",
    """
INSERT INTO auctions_auctionevent
  (seq, kind, at, status, ends_at, price, min_next, bid_count, reserve_status, alias, leader_alias, bid_seq, is_voided,
   told_at, auction_id, leader_id, entry_id)
SELECT seq, 'bid', at, 'live', ends_at, price, price + 1, seq, 'none', alias, leader_alias, seq, false, at, auction_id,
       bidder_id, id
  FROM auctions_auctionlogentry""",
    """
INSERT INTO auctions_order (id, created_at, updated_at, order_number, hammer_price, currency, status, fee_schedule,
                            auction_id, buyer_id, listing_id, seller_id, default_at, delivery, disputed_from,
                            payment_due_at)
SELECT id, now(), now(), 'FO-' || id, price, currency, 'awaiting_payment', fee_schedule, id, %(buyer)s, listing_id,
       seller_id, closed_at + interval '14 days', '', '', closed_at + interval '7 days'
  FROM auctions_auction WHERE status = 'sold'""",
    """
INSERT INTO auctions_payment (created_at, updated_at, provider, provider_ref, amount, currency, status, reference,
                              failure, refund_reserved, created_by_id, order_id)
SELECT now(), now(), 'sandbox', 'sb_' || id, hammer_price, currency, 'failed', '', 'The card was declined.', 0,
       buyer_id, id
  FROM auctions_order""",
)
PRODUCTS = """
INSERT INTO workshop_product (created_at, updated_at, name, description, price, category, brand, sku, category_key,
                              brand_key, provider, external_id, locked_fields)
SELECT now(), now(), 'Brake pads ' || n, 'For front and rear axles.', n %% 9000 / 10.0, category, brand, 'BP-' || n,
       lower(category), lower(brand), 'bench', n, '[]'
  FROM generate_series(1, %s) AS n,
       LATERAL (SELECT 'Category ' || n %% 40 AS category, 'Brand ' || n %% 25 AS brand) AS kind"""


def make_market(buyer: User, listings: int) -> None:
    """So many listings with auctions, and ten times as many bids; the payments are the buyer's."""
    from auctions.fees import DEFAULT_SCHEDULE

    sellers, bidders = ([user.pk for user in make_users(count)] for count in (SELLERS, BIDDERS))
    values = {
        "listings": listings,
        "buyer": buyer.pk,
        "bids": BIDS,
        "fees": json.dumps(DEFAULT_SCHEDULE),
        "sellers": sellers,
        "seller_count": SELLERS,
        "bidders": bidders,
        "bidder_count": BIDDERS,
    }
    with connection.cursor() as cursor, unchecked(cursor):
        for statement in STATEMENTS:
            cursor.execute(statement, values)


def make_products(count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(PRODUCTS, [count])
