"""Entity tags: the answer as it is, but for what is `Untagged` in it."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import TextChoices
from django.utils.safestring import SafeString

from common.conditional import etag_of, tag_of
from common.renderers import Untagged, dump_json, dump_lasting_json


class Colour(TextChoices):
    RED = "red"


class Small(int):
    """An extended number."""


@pytest.mark.parametrize(
    "data",
    [
        {"a": SafeString("x"), "b": [SafeString("y")], "c": Small(3)},
        OrderedDict(a=1, b=OrderedDict(c=Decimal("1.00"))),
        [type("Rows", (list,), {})([1, 2]), (1, 2), {3}],
        {"colour": Colour.RED, "yes": True, "none": None},
    ],
)
def test_a_tag_is_that_of_the_bytes_that_go_out(data: Any) -> None:
    assert dump_lasting_json(data) == dump_json(data)
    assert etag_of(data) == tag_of(dump_json(data))


def test_what_is_untagged_is_shown_and_makes_no_other_version() -> None:
    def answer(moment: str, price: str = "1.00") -> dict[str, Any]:
        return {"results": [{"price": price, "server_time": Untagged(moment)}], "server_time": Untagged(moment)}

    assert dump_json(answer("10:00")).count(b'"10:00"') == 2
    assert etag_of(answer("10:00")) == etag_of(answer("10:01"))
    assert etag_of(answer("10:00")) != etag_of(answer("10:00", price="2.00"))
