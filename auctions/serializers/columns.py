"""How the computed members of auctions, bids and listings are written by the database, for the fast list path. Each
says in SQL what the serializer says in Python (`common.rowjson`); tests hold the two against each other."""

from __future__ import annotations

from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    DecimalField,
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Concat

from auctions.models import AuctionBidder
from auctions.models.listings import PRICE

MONEY: Any = DecimalField(**PRICE)
_STEP = {
    "postgresql": "SELECT (e.tier ->> 'step')::numeric(12, 2) FROM jsonb_array_elements({tiers}) WITH ORDINALITY AS"
    " e(tier, n) WHERE e.tier ->> 'up_to' IS NULL OR {price} <= (e.tier ->> 'up_to')::numeric ORDER BY e.n LIMIT 1",
    "sqlite": "SELECT CAST(e.value ->> 'step' AS REAL) FROM json_each({tiers}) AS e"
    " WHERE e.value ->> 'up_to' IS NULL OR {price} <= CAST(e.value ->> 'up_to' AS REAL) ORDER BY e.key LIMIT 1",
}


class StepAt(Func):
    """`auctions.bidding.increment`: the step of the tier that contains a price."""

    output_field = MONEY

    def as_sql(self, compiler: Any, *_args: Any, **_context: Any) -> tuple[str, tuple[Any, ...]]:
        tiers, price = (compiler.compile(column)[0] for column in self.get_source_expressions())
        return f"({_STEP[compiler.connection.vendor].format(tiers=tiers, price=price)})", ()


def alias_of(number: Any) -> Concat:
    """`auctions.models.auctions.alias`."""
    return Concat(Value("Bidder "), Cast(number, CharField()), output_field=TextField())


class AuctionColumns:
    """The computed members of an auction."""

    context: dict[str, Any]

    def column_is_open(self, prefix: str) -> Any:
        moment = self.context["moment"]
        is_open = {"status__in": ["scheduled", "live"], "starts_at__lte": moment, "ends_at__gt": moment}
        return truth(Q(**{f"{prefix}{name}": value for name, value in is_open.items()}))

    def column_min_next(self, prefix: str) -> Any:
        price = F(f"{prefix}price")
        raised = price + StepAt(F(f"{prefix}increments"), price)
        first = Q(**{f"{prefix}price__isnull": True})
        return Case(When(first, then=F(f"{prefix}starting_price")), default=raised, output_field=MONEY)

    def column_reserve_status(self, prefix: str) -> Any:
        return Case(
            When(Q(**{f"{prefix}reserve_price__isnull": True}), then=Value("none")),
            When(_met(prefix), then=Value("met")),
            default=Value("not_met"),
            output_field=CharField(),
        )

    def column_buy_now(self, prefix: str) -> Any:
        offered = Q(**{f"{prefix}status__in": ["scheduled", "live", "paused"]})
        unsettled = Q(**{f"{prefix}leader__isnull": True}) | Q(**{f"{prefix}reserve_price__isnull": False}) & ~_met(
            prefix
        )
        below = Q(**{f"{prefix}price__isnull": True}) | Q(**{f"{prefix}price__lt": F(f"{prefix}buy_now_price")})
        return Case(When(offered & unsettled & below, then=F(f"{prefix}buy_now_price")), output_field=MONEY)

    def column_leader_alias(self, prefix: str) -> Any:
        number = f"{prefix}leader_number"
        return Case(When(Q(**{f"{number}__isnull": False}), then=alias_of(number)), output_field=TextField())

    def column_your_alias(self, prefix: str) -> Any:
        return _own(self.context, prefix, alias_of("number"), TextField())

    def column_your_max(self, prefix: str) -> Any:
        return _own(self.context, prefix, F("maximum"), MONEY)


class BidColumns:
    """The computed member of a public bid."""

    context: dict[str, Any]

    def column_mine(self, prefix: str) -> Any:
        caller = self.context["request"].user
        if caller.pk is None:
            return Value(False, output_field=BooleanField())
        own = AuctionBidder.objects.filter(auction=OuterRef(f"{prefix}auction"), user_id=caller.pk)
        return Exists(own.annotate(shown=alias_of("number")).filter(shown=OuterRef(f"{prefix}alias")))


class SellerColumns:
    """The computed members of who sells."""

    def column_business_name(self, prefix: str) -> Any:
        name = F(f"{prefix}seller_profile__business_name")
        return Case(When(_approved(prefix), then=name), output_field=TextField())

    def column_is_dealer(self, prefix: str) -> Any:
        return truth(_approved(prefix))


def _own(context: dict[str, Any], prefix: str, shown: Any, kind: Any) -> Any:
    """Of the caller's part in the auction; null for strangers."""
    caller = context["request"].user
    if caller.pk is None:
        return Value(None, output_field=kind)
    own = AuctionBidder.objects.filter(auction=OuterRef(f"{prefix}pk"), user_id=caller.pk)
    return Subquery(own.annotate(shown=shown).values("shown"), output_field=kind)


def truth(condition: Q) -> Case:
    """True or false, and false where it is unknown."""
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField())


def _met(prefix: str) -> Q:
    """`price >= reserve`, and true or false where there is no price."""
    return Q(**{f"{prefix}price__isnull": False, f"{prefix}price__gte": F(f"{prefix}reserve_price")})


def _approved(prefix: str) -> Q:
    return Q(**{f"{prefix}seller_profile__approved_at__isnull": False})
