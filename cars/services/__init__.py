"""Every write of the app, and what it refuses: the registry (`cars`), the garage (`vehicles`), VIN decoding (`vin`)."""

from cars.services.cars import (
    DuplicateCar,
    check_model_year,
    create_car,
    delete_car,
    unlock_car,
    update_car,
)
from cars.services.vehicles import (
    OdometerRollback,
    VinInUse,
    archive_vehicle,
    erase_vehicles,
    export_vehicles,
    reassign_vehicle,
    record_event,
    record_odometer,
    register_vehicle,
    transfer_vehicle,
    update_vehicle,
)
from cars.services.vin import VinAnswer, check_vin, decode_vin

__all__ = [
    "DuplicateCar",
    "OdometerRollback",
    "VinAnswer",
    "VinInUse",
    "archive_vehicle",
    "check_model_year",
    "check_vin",
    "create_car",
    "decode_vin",
    "delete_car",
    "erase_vehicles",
    "export_vehicles",
    "reassign_vehicle",
    "record_event",
    "record_odometer",
    "register_vehicle",
    "transfer_vehicle",
    "unlock_car",
    "update_car",
    "update_vehicle",
]
