"""A stand-in for DummyJSON's product API, with 194 invented products of the real shape.

By hand: `python -m tests.standins.dummyjson --port 8001`.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from tests.standins.base import (
    Answer,
    Request,
    Row,
    StandIn,
    command_line,
    html_page,
    serve_until_stopped,
)

DEFAULT_LIMIT = 30
PRODUCT_COUNT = 194
RATE_LIMIT = 100
RATE_WINDOW_SECONDS = 10.0

_SEED = 565
_STAMP = "2025-04-30T09:41:02.053Z"
_ADJECTIVES = (
    "Compact",
    "Heavy-Duty",
    "Classic",
    "Everyday",
    "Premium",
    "Folding",
    "Quiet",
    "Bright",
    "Sturdy",
)
# Category: its brands, none for goods without one, and its nouns.
_CATEGORIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "car-care": (("Glanzwerk", "Rinse & Co"), ("Wax", "Shampoo", "Wheel Cleaner", "Polish")),
    "car-electronics": (("Voltaro",), ("Dash Camera", "Charger", "Jump Starter", "Reversing Sensor")),
    "garage-tools": (("Torqman", "Ironside"), ("Ratchet Set", "Trolley Jack", "Torque Wrench", "Creeper")),
    "workwear": (("Overhaul",), ("Overall", "Safety Boots", "Work Gloves", "Cap")),
    "groceries": ((), ("Coffee", "Water", "Oat Bar", "Apple Juice", "Crisps", "Café Crème")),
    "kitchen-accessories": ((), ("Mug", "Kettle", "Lunch Box", "Tray", "Bottle")),
    "home-decoration": ((), ("Wall Clock", "Tin Sign", "Lamp")),
    "sports-accessories": ((), ("Roof Rack Strap", "Bicycle Mount", "Ski Bag")),
}
_WARRANTIES = ("No warranty", "1 month warranty", "1 year warranty", "3 year warranty", "Lifetime warranty")
_SHIPPING = ("Ships overnight", "Ships in 1-2 business days", "Ships in 1 week", "Ships in 1 month")
_RETURNS = ("No return policy", "7 days return policy", "30 days return policy", "90 days return policy")


class DummyJSONServer(StandIn):
    """The product half of DummyJSON.

    `rate_limited` switches on its limit of 100 requests in 10 seconds, over which it answers 429.
    """

    rows_field: ClassVar[str] = "products"
    id_field: ClassVar[str] = "id"

    def __init__(self, rows: list[Row] | None = None, *, rate_limited: bool = False, port: int = 0) -> None:
        super().__init__(port=port)
        self.rate_limited = rate_limited
        self._arrivals: deque[float] = deque()
        self._rows.extend(sample_products() if rows is None else rows)
        self._next_id = max((row["id"] for row in self._rows), default=0) + 1

    def add(self, **fields: Any) -> int:
        """Add a product, invented but for `fields`, and return its id."""
        with self._lock:
            row = _product(self._next_id, random.Random(self._next_id)) | fields
            self._next_id += 1
            self._rows.append(row)
            return int(row["id"])

    def respond(self, request: Request, headers: Mapping[str, str]) -> Answer:
        if self.rate_limited and self._over_the_limit():
            limited = self.error(429)
            return Answer(429, limited.document, headers={"Retry-After": str(int(RATE_WINDOW_SECONDS))})
        if request.path != "/" and request.path.endswith("/"):
            return Answer(301, content_type=None, headers={"Location": request.path.rstrip("/") or "/"})
        match request.path.strip("/").split("/"):
            case ["products"]:
                return self._page(self._rows, request.params)
            case ["products", "search"]:
                return self._page(self._search(request.params.get("q", "")), request.params)
            case ["products", "categories"]:
                return Answer(document=self._categories())
            case ["products", "category", slug]:
                return self._page([row for row in self._rows if row.get("category") == slug], request.params)
            case ["products", product_id]:
                return self._one(product_id, request.params)
        return html_page(404, f"Cannot GET {request.path}")

    def error(self, status: int) -> Answer:
        messages = {401: "Access Token is required", 403: "Forbidden", 429: "Too many requests"}
        return Answer(status, {"message": messages.get(status, "Internal server error")})

    def bad_rows(self) -> list[Row]:
        good = {"title": "Bad product", "category": "garage-tools", "price": 9.99, "stock": 1}
        return [
            {"id": 9001, "price": 9.99},
            good | {"id": 9002, "title": None},
            good | {"id": 9003, "price": "cheap"},
            good | {"id": 9004, "price": -1},
            good | {"id": 9005, "price": float("nan")},
            good | {"id": 9006, "title": "Nul\u0000char"},
            good | {"id": 9007, "title": "<script>alert(1)</script>"},
            good | {"id": 9008, "title": "x" * 10_000},
            good,
        ]

    def _over_the_limit(self) -> bool:
        now = time.monotonic()
        while self._arrivals and self._arrivals[0] <= now - RATE_WINDOW_SECONDS:
            self._arrivals.popleft()
        if len(self._arrivals) >= RATE_LIMIT:
            return True
        self._arrivals.append(now)
        return False

    def _page(self, rows: list[Row], params: Mapping[str, str]) -> Answer:
        """Cut a page; its `limit` is the number of rows returned, not the number asked for."""
        numbers = {}
        for name, default in (("limit", DEFAULT_LIMIT), ("skip", 0)):
            text = params.get(name) or str(default)
            if not text.isascii() or not text.isdigit():
                return Answer(400, {"message": f"Invalid '{name}' - must be a number"})
            numbers[name] = int(text)
        limit, skip = numbers["limit"] or len(rows), numbers["skip"]
        page = [_select(row, params) for row in rows[skip : skip + limit]]
        return Answer(document={"products": page, "total": len(rows), "skip": skip, "limit": len(page)})

    def _one(self, product_id: str, params: Mapping[str, str]) -> Answer:
        for row in self._rows:
            if str(row.get("id")) == product_id:
                return Answer(document=_select(row, params))
        return Answer(404, {"message": f"Product with id '{product_id}' not found"})

    def _search(self, text: str) -> list[Row]:
        wanted, fields = text.casefold(), ("title", "description")
        return [row for row in self._rows if any(wanted in str(row.get(f)).casefold() for f in fields)]

    def _categories(self) -> list[dict[str, str]]:
        slugs = dict.fromkeys(str(row["category"]) for row in self._rows if "category" in row)
        return [
            {
                "slug": slug,
                "name": slug.replace("-", " ").title(),
                "url": f"{self.base_url}/products/category/{slug}",
            }
            for slug in slugs
        ]


def _select(row: Row, params: Mapping[str, str]) -> Row:
    names = params.get("select")
    if not names:
        return row
    wanted = {"id", *names.split(",")}
    return {name: value for name, value in row.items() if name in wanted}


def sample_products() -> list[Row]:
    """Copy the 194 invented products, the same on every run; those of four categories have no brand."""
    return [dict(row) for row in _invented()]


@cache
def _invented() -> tuple[Row, ...]:
    chance = random.Random(_SEED)
    return tuple(_product(number, chance) for number in range(1, PRODUCT_COUNT + 1))


def _product(number: int, chance: random.Random) -> Row:
    categories = list(_CATEGORIES)
    category = categories[(number - 1) * len(categories) // PRODUCT_COUNT % len(categories)]
    brands, nouns = _CATEGORIES[category]
    title = f"{chance.choice(_ADJECTIVES)} {chance.choice(nouns)} No. {number}"
    brand = {"brand": chance.choice(brands)} if brands else {}
    stock = chance.choice((0, 3, *range(10, 100)))
    identity = {
        "id": number,
        "title": title,
        "description": f"{title}, from our range {category.replace('-', ' ')}.",
        "category": category,
        "price": chance.randint(99, 49_999) / 100,
        "discountPercentage": chance.randint(0, 2000) / 100,
        "rating": chance.randint(250, 500) / 100,
        "stock": stock,
        "tags": [category, nouns[0].lower()],
    }
    sku = f"{category[:3].upper()}-{brand.get('brand', 'GEN')[:3].upper()}-{number:03d}"
    return identity | brand | {"sku": sku} | _logistics(number, stock, chance)


def _logistics(number: int, stock: int, chance: random.Random) -> Row:
    return {
        "weight": chance.randint(1, 10),
        "dimensions": {side: chance.randint(500, 3000) / 100 for side in ("width", "height", "depth")},
        "warrantyInformation": chance.choice(_WARRANTIES),
        "shippingInformation": chance.choice(_SHIPPING),
        "availabilityStatus": "Out of Stock" if stock == 0 else "Low Stock" if stock < 10 else "In Stock",
        "reviews": [{"rating": chance.randint(1, 5), "comment": "As described.", "date": _STAMP}],
        "returnPolicy": chance.choice(_RETURNS),
        "minimumOrderQuantity": chance.randint(1, 50),
        "meta": {"createdAt": _STAMP, "updatedAt": _STAMP, "barcode": f"{chance.randrange(10**13):013d}"},
        "images": [],
        "thumbnail": f"https://cdn.example.com/products/{number}/thumbnail.webp",
    }


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--rate-limited", action="store_true", help="429 after 100 requests in 10 seconds")
    options = parser.parse_args()
    serve_until_stopped(DummyJSONServer(rate_limited=options.rate_limited, port=options.port))


if __name__ == "__main__":
    main()
