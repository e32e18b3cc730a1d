"""Shape of the copy of a person's data."""

from __future__ import annotations

from common.fields import StrictDateTimeField, StrictDictField
from common.serializers import StrictSerializer


class PersonalDataSerializer(StrictSerializer):
    """`apps` has one member per app that holds something about the person."""

    generated_at = StrictDateTimeField(read_only=True)
    apps = StrictDictField(read_only=True)
