"""What tests look at in answers."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pypdf import PdfReader


def error(answer: Any) -> dict[str, Any]:
    """The first error."""
    found: dict[str, Any] = answer.json()["errors"][0]
    return found


def refused(answer: Any) -> tuple[int, str]:
    """The status, and the code of the first error."""
    return answer.status_code, error(answer)["code"]


def pages(content: bytes) -> list[str]:
    """The text of each page of a PDF, in one line."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(content)).pages]
