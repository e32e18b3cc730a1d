"""A walk through the API with the generated package: `python example.py http://localhost:8000`. It makes an account, a
car and a reservation."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from forecourt_client import AuthenticatedClient, Client
from forecourt_client.api.auctions import auctions_list
from forecourt_client.api.auth import auth_login, auth_register
from forecourt_client.api.cars import cars_create, cars_list
from forecourt_client.api.garage import garage_create
from forecourt_client.api.parking import (
    parking_lots_list,
    parking_reservations_create,
    parking_reservations_release,
)
from forecourt_client.models import (
    AuctionsListStatus,
    BookingRequest,
    CarRequest,
    EmailLoginRequest,
    Error,
    RegisterRequest,
    ReleaseRequest,
    VehicleRequest,
)
from forecourt_client.types import Response

T = TypeVar("T")


def good(answer: T | Error | None) -> T:
    """The answer, or an exception that carries the problem's stable code."""
    if answer is None or isinstance(answer, Error):
        raise RuntimeError(answer.errors[0].code if answer else "no answer")
    return answer


def follow(base_url: str, auction: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of an auction and their data, from now on; ends when the auction does."""
    with httpx.stream("GET", f"{base_url}/api/auctions/{auction}/stream", timeout=60) as answer:
        answer.raise_for_status()
        event = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                yield event, json.loads(value)


def sign_in(base_url: str) -> str:
    email, password = f"py-{uuid.uuid4()}@example.com", f"A long word {uuid.uuid4()}"
    with Client(base_url=base_url) as anonymous:
        good(auth_register.sync(client=anonymous, body=RegisterRequest(email=email, password=password)))
        print("registered")
        pair = good(auth_login.sync(client=anonymous, body=EmailLoginRequest(email=email, password=password)))
    return pair.access_token


def walk_cars(client: AuthenticatedClient) -> None:
    car = CarRequest(make=f"Walker {uuid.uuid4()}", model="Typed", year=2020)
    made = good(cars_create.sync(client=client, body=car))
    again: Response[Any] = cars_create.sync_detailed(client=client, body=car)
    if again.status_code != HTTPStatus.CONFLICT or not isinstance(again.parsed, Error):
        raise RuntimeError("The same car was taken twice.")
    refused = again.parsed.errors[0]
    facts = refused.meta.to_dict() if refused.meta else {}
    print(f"duplicate {refused.code} of the same car: {facts.get('existing_id') == made.id}")
    listed = good(cars_list.sync(client=client, make=car.make, limit=10))
    print(f"cars {listed.count}: " + ", ".join(f"{row.model} {row.year}" for row in listed.results))


def park(client: AuthenticatedClient) -> None:
    body = VehicleRequest(plate=f"PY {uuid.uuid4().hex[:6].upper()}", make="Honda", model="Accord", year=2003)
    vehicle = good(garage_create.sync(client=client, body=body))
    print(f"garage {vehicle.make} {vehicle.model}")
    lot = good(parking_lots_list.sync(client=client, limit=1)).results[0]
    stay = good(
        parking_reservations_create.sync(
            client=client,
            body=BookingRequest(lot=lot.id, vehicle=vehicle.id),
            idempotency_key=str(uuid.uuid4()),
        )
    )
    left = good(parking_reservations_release.sync(id=stay.id, client=client, body=ReleaseRequest()))
    print(f"parked {stay.status}, then {left.status}")


def main(base_url: str) -> None:
    with AuthenticatedClient(base_url=base_url, token=sign_in(base_url)) as client:
        walk_cars(client)
        park(client)
        auctions = good(auctions_list.sync(client=client, status=AuctionsListStatus.LIVE, limit=1))
    for auction in auctions.results:
        event, data = next(follow(base_url, auction.id))
        print(f"stream {event} {data['status']}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000")
