"""What Forecourt is measured against: the same routes on the same tables, each written as its framework
teaches it.

Every peer answers `GET /api/cars?make=&year=&page=&limit=` and `GET /api/cars/{id}` with the members of
`FIELDS`, for a signed-in user that is still active. `/api/cars` carries `count`, except for the expert's,
which leaves it out.
"""

import os

DATABASE_URL = os.environ.get("DATABASE_URL", "")
JWT_SECRET_KEY = os.environ.get("JWT_SECRET_KEY", "")
JWT_ISSUER = "forecourt"
FIELDS = (
    "id",
    "make",
    "model",
    "year",
    "category",
    "source",
    "external_id",
    "source_updated_at",
    "created_in_run",
    "locked_fields",
    "withdrawn_at",
    "created_at",
    "updated_at",
)
