"""The checks that a page passes before it is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cars.sync import clean
from cars.sync.providers.base import Record
from cars.sync.registry import BadRecord, Row, Target
from cars.sync.seen import REFUSED, Seen

RAW_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that does not become a row. `raw` is the start of what was sent, escaped to ASCII."""

    external_id: str
    reason: str
    detail: str
    raw: str


def refuse(external_id: str, reason: str, raw: object, detail: str = "") -> Refused:
    return Refused(external_id, reason, detail[:300], json.dumps(raw, default=str)[:RAW_LENGTH])


@dataclass(slots=True)
class CheckedPage:
    """Rows with unique ids, the newest first, and what was left out."""

    rows: list[Row] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    duplicate: int = 0


class Checker:
    """Checks the pages of one run, and knows what came in earlier ones."""

    def __init__(self, target: Target, seen: Seen) -> None:
        self._target = target
        self._seen = seen

    def check(self, records: Sequence[Record], *, now: datetime) -> CheckedPage:
        """Refuse bad records one by one. Of several records with one id, also across pages, the newest counts; of
        equally old ones the first."""
        page = CheckedPage()
        newest: dict[str, Row] = {}
        for record in records:
            row = self._clean(record, page, now)
            if row is not None:
                other = newest.setdefault(row["external_id"], row)
                if other is not row:
                    page.duplicate += 1
                    newest[row["external_id"]] = max(other, row, key=self._age)
        known = self._seen.known(newest)
        for external_id, row in newest.items():
            if external_id in known and not self._is_newer(row, than=known[external_id]):
                page.duplicate += 1
            else:
                page.rows.append(row)
        page.rows.sort(key=self._age, reverse=True)
        return page

    def remember(self, page: CheckedPage) -> None:
        """Once the page is committed: refused ids were seen too, so their rows are not withdrawn."""
        self._seen.add({refused.external_id: REFUSED for refused in page.refused if refused.external_id})
        self._seen.add({row["external_id"]: self._moment(row) for row in page.rows})

    def _clean(self, record: Record, page: CheckedPage, now: datetime) -> Row | None:
        external_id = ""
        try:
            external_id = clean.external_id(record.external_id)
            return self._target.clean(record, now) | {"external_id": external_id}
        except BadRecord as bad:
            raw = record.data if record.raw is None else record.raw
            page.refused.append(refuse(external_id, bad.reason, raw, bad.detail))
            return None

    def _moment(self, row: Row) -> float | None:
        moment = row[self._target.newest] if self._target.newest else None
        return moment.timestamp() if moment else None

    def _age(self, row: Row) -> float:
        moment = self._moment(row)
        return REFUSED if moment is None else moment

    def _is_newer(self, row: Row, *, than: float | None) -> bool:
        if than == REFUSED:
            return True
        moment = self._moment(row)
        return moment is not None and than is not None and moment > than
