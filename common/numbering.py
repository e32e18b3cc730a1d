"""Numbers of documents without gaps, as the law asks of invoices."""

from __future__ import annotations

from typing import Any

from django.db import models


class NumberSequence(models.Model):
    """The last number given in a year, of one kind of document. An app makes its own table of it."""

    class Kind(models.TextChoices):
        INVOICE = "invoice"
        CREDIT_NOTE = "credit_note"

    kind = models.CharField(max_length=11, choices=Kind)
    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.kind} {self.year}: {self.last}"


def next_number(sequences: type[Any], *, kind: str, year: int, prefix: str) -> tuple[int, str]:
    """The next number of a year, as a count and as text (`INV-2026-000001`), from a table of `NumberSequence`. No
    gaps: the sequence stays locked to the end of the caller's transaction, and a number whose transaction fails is
    given again. So lock it last: all others who need a number wait."""
    rows = sequences.objects
    rows.get_or_create(kind=kind, year=year)
    sequence = rows.select_for_update(of=("self",), no_key=True).get(kind=kind, year=year)
    sequence.last += 1
    sequence.save(update_fields=["last"])
    return sequence.last, f"{prefix}-{year}-{sequence.last:06d}"
