"""The states of the US by their two letters: a tax rate belongs to one, and people write it as they please."""

from __future__ import annotations

_NAMES = (
    "AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware, "
    "DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, "
    "KS Kansas, KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, "
    "MS Mississippi, MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, "
    "NY New York, NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania, "
    "PR Puerto Rico, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont, "
    "VA Virginia, WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming"
)
_CODES = {name.casefold(): code for code, _, name in (entry.partition(" ") for entry in _NAMES.split(", "))}


def state_code(text: str) -> str:
    """`ny`, `NY` and `New York` -> `NY`; blank for what is no state."""
    words = " ".join(text.split())
    code = words.upper()
    return code if code in _CODES.values() else _CODES.get(words.casefold(), "")
