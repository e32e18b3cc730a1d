"""Products of a CSV or JSON file of one's own, or the bundled catalogue (see workshop/data/README.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cars.sync.providers.base import Record
from cars.sync.providers.file import FileProvider
from workshop.catalogue.providers.rows import product_record


class FileProducts(FileProvider):
    """PRODUCT_FILE, or the bundled parts. The columns have the catalogue's names, or those of DummyJSON."""

    setting = "PRODUCT_FILE"
    bundled = Path(__file__).resolve().parents[2] / "data" / "parts.csv"

    def _record(self, row: Any, *, is_text: bool) -> Record:
        return product_record(row, is_text=is_text)
