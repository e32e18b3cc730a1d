"""Who sees the rows of a sale."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Q


class OfPartiesQuerySet(models.QuerySet[Any]):
    """Rows as their viewers see them: the parties, and all those who may view such rows."""

    parties: tuple[str, ...] = ("buyer_id", "seller_id")

    def visible_to(self, user: Any) -> Self:
        if user.has_perm(f"auctions.view_{self.model._meta.model_name}"):
            return self
        mine = Q()
        for party in self.parties:
            mine |= Q(**{party: user.pk})
        return self.filter(mine)
