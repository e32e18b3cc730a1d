"""The CSV of the registry as staff import and export it."""

from __future__ import annotations

from typing import Any

from import_export.resources import ModelResource

from accounts.exports import safe_cell
from cars.models import Car
from cars.services.cars import create_car, update_car
from common import clock
from common.text import natural_key


class CarResource(ModelResource):
    """Rows are matched by make, model and year, as the registry does. Saving goes through the services; the preview
    saves too, inside a transaction that is rolled back, so that it shows every refusal."""

    class Meta:
        model = Car
        import_id_fields = ("make", "model", "year")
        fields = ("make", "model", "year", "category")
        export_order = fields
        skip_unchanged = True
        report_skipped = True
        use_transactions = True
        clean_model_instances = True

    def get_instance(self, instance_loader: Any, row: dict[str, Any]) -> Car | None:
        key = {"make_key": natural_key(row["make"] or ""), "model_key": natural_key(row["model"] or "")}
        return Car.objects.filter(year=row["year"], **key).first()

    def save_instance(self, instance: Car, is_create: bool, row: dict[str, Any], **kwargs: Any) -> None:
        data = {name: getattr(instance, name) for name in self.Meta.fields}
        if is_create:
            create_car(actor=kwargs["user"], data=data, now=clock.now())
        else:
            update_car(car=Car.objects.get(pk=instance.pk), actor=kwargs["user"], data=data, now=clock.now())

    def export_field(self, field: Any, instance: Car, **kwargs: Any) -> Any:
        """A cell that a spreadsheet would run as a formula is defused."""
        value = super().export_field(field, instance, **kwargs)
        return safe_cell(value) if isinstance(value, str) else value
