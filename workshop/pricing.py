"""What lines, jobs and tickets cost; pure functions of rows. Taxes are per line (common.money)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from common.money import Amounts, priced, total_of
from workshop.models import FeeLine, Job, LabourLine, PartLine

Line = LabourLine | PartLine | FeeLine


def amounts_of_line(line: Line, tax_rate: Decimal) -> Amounts:
    """Net and tax of one line."""
    if isinstance(line, LabourLine):
        return priced(line.hours, line.rate, tax_rate)
    if isinstance(line, PartLine):
        return priced(line.quantity, line.price, tax_rate)
    return priced(Decimal(1), line.amount, tax_rate)


def lines_of(job: Job) -> list[Line]:
    """All lines of a job: labour, parts, fees. Costs nothing when the three are prefetched."""
    return [*job.labour_lines.all(), *job.part_lines.all(), *job.fee_lines.all()]


def amounts_of_job(job: Job) -> Amounts:
    return total_of(amounts_of_line(line, job.tax_rate) for line in lines_of(job))


def amounts_of_jobs(jobs: Iterable[Job]) -> Amounts:
    return total_of(amounts_of_job(job) for job in jobs)
