"""People and listings of the marketplace, made over HTTP."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import httpx
from PIL import Image

from tests.e2e.people import Desk, must, user_id
from tests.e2e.processes import Platform

ACCORD: dict[str, Any] = {
    "vin": "1HGCM82633A004352", "year": 2003, "make": "Honda", "model": "Accord", "mileage": 142000,
    "condition": "runs_drives", "title_type": "clean", "title_state": "NY", "starting_price": "1000.00",
    "reserve_price": "1500.00", "location_city": "Albany", "location_state": "NY", "location_zip": "12207",
    "location_address": "1 Main Street",
}  # fmt: skip


def verified(desk: Desk, email: str) -> httpx.Client:
    client = desk.person(email)
    now = datetime.now(UTC).isoformat()
    must(desk.admin.patch(f"/api/users/{user_id(client)}", json={"email_verified_at": now}))
    return client


def bidder(desk: Desk, email: str) -> httpx.Client:
    """A person whom the sandbox and the administrator have made somebody who may bid."""
    client = verified(desk, email)
    must(client.put("/api/auth/me/payment-profile", json={"provider": "sandbox", "reference": "pm_4242"}))
    must(client.post("/api/auth/me/identity-request"))
    assert must(client.get("/api/auth/me"))["can_bid"]
    return client


def add_photo(platform: Platform, seller: httpx.Client, listing: int) -> None:
    """Uploaded, confirmed, and processed by the worker."""
    url = f"/api/vehicles/{listing}"
    picture = io.BytesIO()
    Image.new("RGB", (640, 480), "navy").save(picture, "JPEG")
    place = must(seller.post(f"{url}/upload-url", json={"filename": "front.jpg", "content_type": "image/jpeg"}))
    sent = httpx.post(place["url"], data=place["fields"], files={"file": ("front.jpg", picture.getvalue())})
    assert sent.is_success, sent.text
    must(seller.post(f"{url}/images", json={"key": place["fields"]["key"], "is_primary": True}))
    platform.until("the photo", lambda: must(seller.get(url))["images"], within=60)


def listed(platform: Platform, seller: httpx.Client, moderator: httpx.Client, car: dict[str, Any]) -> int:
    """A listing that a moderator has approved."""
    listing = must(seller.post("/api/vehicles", json=car))["id"]
    add_photo(platform, seller, listing)
    must(seller.post(f"/api/vehicles/{listing}/submit"))
    must(moderator.post(f"/api/vehicles/{listing}/approve"))
    return int(listing)
