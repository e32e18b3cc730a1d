"""Amounts and quantities as people write them."""

from __future__ import annotations

from decimal import Decimal

from django import template

register = template.Library()


@register.filter
def money(amount: Decimal) -> str:
    """1234.5 -> 1,234.50"""
    return f"{amount:,.2f}"


@register.filter
def plain(number: Decimal) -> str:
    """Without the zeros that say nothing: 2.000 -> 2, 1.500 -> 1.5"""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
