"""The numbers of invoices and credit notes of sales, without gaps in the year in which the house dates them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from auctions.models import SaleSequence
from common.calendar import business_day
from common.numbering import next_number

INVOICE, CREDIT_NOTE = SaleSequence.Kind.INVOICE, SaleSequence.Kind.CREDIT_NOTE
PREFIXES = {INVOICE: "SINV", CREDIT_NOTE: "SCN"}


class Numbered(NamedTuple):
    """A count within a year, and the number as it is printed."""

    year: int
    sequence: int
    number: str


def give_number(kind: SaleSequence.Kind, *, now: datetime) -> Numbered:
    """The next one; see `common.numbering` for the lock, which is the last to be taken."""
    year = business_day(now).year
    return Numbered(year, *next_number(SaleSequence, kind=kind, year=year, prefix=PREFIXES[kind]))
