"""Makes the measured database: a user that is signed in, and rows.

Runs in a process of its own, because it needs Django set up for one database: `DATABASE_URL=... python -m
tests.benchmarks.prepare CARS LISTINGS STAYS PRODUCTS` prints `{"token", "api_key", "detail_id"}`. Without numbers it
migrates, and that is all.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import django
from django.db import connection

if TYPE_CHECKING:
    from accounts.models import User

MAKES = (
    "Toyota", "Honda", "Ford", "Volkswagen", "BMW", "Mercedes-Benz", "Audi", "Nissan", "Hyundai", "Kia",
    "Chevrolet", "Mazda", "Subaru", "Volvo", "Lexus", "Jeep", "Dodge", "Fiat", "Peugeot", "Renault", "Škoda",
    "SEAT", "Suzuki", "Mitsubishi", "Opel",
)  # fmt: skip
YEARS = 40  # 1982 to 2021
EMAIL = "bench@example.com"
# Coprime to the powers of ten that rows come in: spreads the ids over the table, always in the same way.
STRIDE = 7919
INSERT = """
INSERT INTO cars_car (id, make, model, year, category, make_key, model_key, source, external_id,
                      source_updated_at, locked_fields, created_at, updated_at)
SELECT (n::bigint * %(stride)s) %% %(rows)s + 1,
       make, model, 1982 + (n / %(makes)s) %% %(years)s,
       (ARRAY['Sedan', 'SUV', 'Hatchback', 'Pickup', 'Coupe'])[1 + n %% 5],
       lower(make), lower(model), 'file', lpad(n::text, 10, '0'), made_at, '[]', made_at, made_at
  FROM generate_series(0, %(rows)s - 1) AS n,
       LATERAL (SELECT (%(names)s::text[])[1 + n %% %(makes)s] AS make,
                       'Model ' || n / (%(makes)s * %(years)s) AS model,
                       timestamptz '2026-01-01 00:00:00Z' + n * interval '1.000003 second' AS made_at) AS made
"""


def seed(rows: int) -> None:
    """Fill the registry with `rows` cars, the same ones each time."""
    values = {"rows": rows, "stride": STRIDE, "makes": len(MAKES), "years": YEARS, "names": list(MAKES)}
    with connection.cursor() as cursor:
        cursor.execute(INSERT, values)
        cursor.execute("SELECT setval(pg_get_serial_sequence('cars_car', 'id'), %s)", [rows])


def sign_in() -> dict[str, str]:
    """An access token and an API key, issued by Forecourt's own services to its own user."""
    from django.utils import timezone

    from accounts.api_keys import create_api_key
    from accounts.tokens import issue_tokens

    user, now = bench_user(), timezone.now()
    return {
        "token": issue_tokens(user=user, now=now).access,
        "api_key": create_api_key(user=user, name="b", now=now)[1],
    }


def bench_user() -> User:
    from django.utils import timezone

    from accounts.models import User

    return User.objects.get_or_create(email=EMAIL, defaults={"email_verified_at": timezone.now()})[0]


def one_car() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM cars_car WHERE make_key = 'toyota' AND year = 2020")
        found: tuple[Any, ...] = cursor.fetchone()
    return int(found[0])


def main(cars: int, listings: int, stays: int, products: int) -> dict[str, Any]:
    from tests.benchmarks.market_rows import make_market, make_products
    from tests.benchmarks.parking_rows import make_history, make_lots

    seed(cars)
    if listings:
        make_market(bench_user(), listings)
    if stays:
        make_lots(1, 200)  # This one has the history.
        make_history(bench_user(), stays)
        make_lots(19, 50)
    if products:
        make_products(products)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    return {**sign_in(), "detail_id": one_car()}


def migrate() -> dict[str, Any]:
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    return {}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    sys.stdout.write(json.dumps(main(*map(int, sys.argv[1:])) if sys.argv[1:] else migrate()))
