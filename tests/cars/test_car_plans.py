"""What PostgreSQL does for the registry's list, whatever the number of rows."""

from __future__ import annotations

import pytest
from django.db import connection

from cars.models import Car

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _cars() -> None:
    """Enough that the plans differ: 20 makes, 20 years, 20 models each."""
    Car.objects.bulk_create(
        Car(make=f"Make {a}", make_key=f"make {a}", model=f"Model {c}", model_key=f"model {c}", year=2000 + b)
        for a in range(20)
        for b in range(20)
        for c in range(20)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cars_car")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")


def test_a_filtered_page_comes_from_an_index_in_its_order():
    plan = Car.objects.current().filter(make_key="make 3", year=2003).order_by("id")[:20].explain()
    assert "Index Scan using car_" in plan
    assert "Sort" not in plan


def test_matches_are_counted_in_the_index_alone():
    plan = Car.objects.current().filter(make_key="make 3", year=2003).values("id")[:10_001].explain()
    assert "Index Only Scan using car_" in plan
