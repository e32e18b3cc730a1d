"""Saved searches: one's own, validated as the list of vehicles would."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.models import Notification
from auctions.filters.listings import ListingFilter
from auctions.models import SavedSearch, SearchMatch
from auctions.serializers.watching import SearchFiltersField
from auctions.services.searches import MOST_SEARCHES
from tests.auctions.factories import ListingFactory

pytestmark = pytest.mark.django_db
PATH = "/api/saved-searches"
ACCORDS = {"name": "Accords", "filters": {"make": "Honda", "year_min": 2016, "max_price": "15000.00", "has_keys": True}}


def saved(user, **fields):
    return SavedSearch.objects.create(**{"user": user, "name": "Mine", "filters": {}} | fields)


def test_a_search_is_saved_as_it_came_and_tells_at_once_unless_told_otherwise(user, as_user):
    answer = as_user(user).post(PATH, ACCORDS, format="json")
    assert answer.status_code == 201
    body = answer.json()
    assert {name: body[name] for name in ACCORDS} == ACCORDS
    assert body["cadence"] == "instant"
    assert answer["Location"].endswith(f"{PATH}/{body['id']}")
    assert SavedSearch.objects.get().user == user


def test_an_amount_may_come_as_a_number_and_is_kept_as_text(user, as_user):
    body = ACCORDS | {"filters": {"max_price": 15000.5, "year_min": 2016.0}}
    assert as_user(user).post(PATH, body, format="json").json()["filters"] == {
        "max_price": "15000.50",
        "year_min": 2016,
    }


@pytest.mark.parametrize(
    ("filters", "status", "code", "attr"),
    [
        ({"reserve_price": 1}, 400, "unknown_field", "filters.reserve_price"),
        ({"page": 1}, 400, "unknown_field", "filters.page"),
        ({"year_min": "2016"}, 400, "invalid", "filters.year_min"),
        ({"year_min": 1}, 400, "min_value", "filters.year_min"),
        ({"has_keys": "true"}, 400, "invalid", "filters.has_keys"),
        ({"body_type": "boat"}, 400, "invalid_choice", "filters.body_type"),
        ({"make": ""}, 400, "blank", "filters.make"),
        ({"make": None}, 400, "null", "filters.make"),
        ({"make": ["Honda"]}, 400, "invalid", "filters.make"),
        ({"make": "a\x01"}, 400, "pattern", "filters.make"),
        ({"min_price": "-1"}, 400, "invalid", "filters.min_price"),
        ({"ends_before": "soon"}, 400, "pattern", "filters.ends_before"),
        ({"year_min": 2020, "year_max": 2016}, 422, "semantic", "filters.year_min"),
        ([], 400, "not_a_dict", "filters"),
    ],
)
def test_what_the_list_of_vehicles_would_refuse_is_refused(user, as_user, filters, status, code, attr):
    answer = as_user(user).post(PATH, ACCORDS | {"filters": filters}, format="json")
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["code"], error["attr"]) == (status, code, attr)


def test_all_bad_filters_are_named_at_once(user, as_user):
    body = ACCORDS | {"filters": {"year_min": "x", "colour": "red"}}
    errors = as_user(user).post(PATH, body, format="json").json()["errors"]
    assert {error["attr"] for error in errors} == {"filters.year_min", "filters.colour"}


def test_every_parameter_of_the_list_of_vehicles_may_be_saved(user, as_user):
    schema = SearchFiltersField().json_schema(request=True)
    assert schema["properties"].keys() == ListingFilter.base_filters.keys()
    assert schema["additionalProperties"] is False
    whole = {
        "make": "Honda", "model": "Accord", "trim": "EX", "year_min": 2010, "year_max": 2020, "min_price": "1.00",
        "max_price": "99999.00", "mileage_max": 90000, "body_type": "sedan", "fuel_type": "gasoline",
        "transmission": "cvt", "drivetrain": "fwd", "condition": "runs_drives", "title_type": "clean", "state": "NY",
        "has_keys": False, "auction_status": "live", "no_reserve": True, "reserve_met": False, "buy_now": True,
        "ends_before": "2025-03-01T18:30:00+02:00", "search": "leather seats", "ordering": "-price",
    }  # fmt: skip
    assert whole.keys() == ListingFilter.base_filters.keys()
    assert as_user(user).post(PATH, ACCORDS | {"filters": whole}, format="json").json()["filters"] == whole


def test_nobody_has_more_than_fifty(user, as_user):
    SavedSearch.objects.bulk_create(SavedSearch(user=user, name="One") for _ in range(MOST_SEARCHES))
    answer = as_user(user).post(PATH, ACCORDS, format="json")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "too_many_searches"
    assert answer.json()["errors"][0]["meta"] == {"most": 50}


def test_the_list_shows_the_own_ones_the_newest_first(user, other_user, as_user):
    first, second, client = saved(user), saved(user, cadence="daily"), as_user(user)
    saved(other_user)
    answer = client.get(PATH).json()
    assert [row["id"] for row in answer["results"]] == [second.pk, first.pk]
    assert [row["id"] for row in client.get(f"{PATH}?cadence=daily").json()["results"]] == [second.pk]
    assert client.get(f"{PATH}?user={other_user.pk}").status_code == 400


def test_a_page_costs_the_same_queries_however_long_it_is(user, as_user, django_assert_max_num_queries):
    client = as_user(user)
    saved(user)
    with django_assert_max_num_queries(6) as one:
        client.get(PATH)
    for _ in range(8):
        saved(user)
    with django_assert_max_num_queries(len(one.captured_queries)):
        assert len(client.get(PATH).json()["results"]) == 9


def test_the_searches_of_others_do_not_exist(user, as_user, admin_user):
    path = f"{PATH}/{saved(user).pk}"
    for stranger in (as_user(admin_user), as_user(ListingFactory().seller)):
        answers = [stranger.get(path), stranger.patch(path, {"name": "x"}, format="json"), stranger.delete(path)]
        assert {answer.status_code for answer in answers} == {404}
        assert answers[0].content == stranger.get(f"{PATH}/999999").content
    assert SavedSearch.objects.get().name == "Mine"


def test_without_signing_in_there_is_nothing(api, user):
    path = f"{PATH}/{saved(user).pk}"
    calls = (api.get(PATH), api.post(PATH, ACCORDS, format="json"), api.get(path), api.patch(path), api.delete(path))
    assert {answer.status_code for answer in calls} == {401}


def test_a_change_replaces_the_filters_as_a_whole(user, as_user):
    search, client = saved(user, filters={"make": "Honda", "has_keys": True}), as_user(user)
    answer = client.patch(f"{PATH}/{search.pk}", {"filters": {"model": "Accord"}}, format="json")
    assert answer.json()["filters"] == {"model": "Accord"}
    assert answer.json()["name"] == "Mine"
    assert client.patch(f"{PATH}/{search.pk}", {"user": 1}, format="json").status_code == 400
    assert client.put(f"{PATH}/{search.pk}", ACCORDS, format="json").status_code == 405


def test_of_two_who_hold_the_same_version_one_changes_it(user, as_user):
    path, client = f"{PATH}/{saved(user).pk}", as_user(user)
    tag = client.get(path)["ETag"]
    assert client.patch(path, {"name": "A"}, format="json", HTTP_IF_MATCH=tag).status_code == 200
    assert client.patch(path, {"name": "B"}, format="json", HTTP_IF_MATCH=tag).status_code == 412


def test_deleting_it_deletes_what_it_found(user, as_user):
    search = saved(user)
    SearchMatch.objects.create(search=search, listing=ListingFactory())
    assert as_user(user).delete(f"{PATH}/{search.pk}").status_code == 204
    assert not SearchMatch.objects.exists()


def test_a_daily_one_is_due_at_eight_by_the_owners_clock(make_user, as_user):
    user = make_user(timezone="America/New_York")
    pk = as_user(user).post(PATH, ACCORDS | {"cadence": "daily"}, format="json").json()["id"]
    due = SavedSearch.objects.get(pk=pk).digest_due_at
    assert due > datetime.now(UTC)
    assert due.astimezone(ZoneInfo("America/New_York")).hour == 8
    as_user(user).patch(f"{PATH}/{pk}", {"cadence": "off"}, format="json")
    assert SavedSearch.objects.get(pk=pk).digest_due_at is None


@pytest.mark.parametrize(("cadence", "told"), [("instant", 1), ("off", 0)])
def test_what_a_daily_search_still_had_to_tell(user, as_user, cadence, told):
    search = saved(user, cadence="daily", digest_due_at=timezone.now())
    SearchMatch.objects.create(search=search, listing=ListingFactory())
    as_user(user).patch(f"{PATH}/{search.pk}", {"cadence": cadence}, format="json")
    assert Notification.objects.filter(user=user, kind="search_digest").count() == told
    assert SearchMatch.objects.get().told_at is not None
