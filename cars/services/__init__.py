"""Every write of the app, and what it refuses: the registry (`cars`), the garage (`vehicles`), VIN decoding (`vin`),
and what is read of a vehicle as a whole (`passport`)."""

from cars.services.cars import (
    DuplicateCar,
    check_model_year,
    create_car,
    delete_car,
    unlock_car,
    update_car,
)
from cars.services.passport import History, Passport, VinStatement, read_passport, read_public_history, state_vin
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
from cars.services.vin import VinAnswer, check_vin, decode_vin, recall_vin

__all__ = [
    "DuplicateCar",
    "History",
    "OdometerRollback",
    "Passport",
    "VinAnswer",
    "VinInUse",
    "VinStatement",
    "archive_vehicle",
    "check_model_year",
    "check_vin",
    "create_car",
    "decode_vin",
    "delete_car",
    "erase_vehicles",
    "export_vehicles",
    "read_passport",
    "read_public_history",
    "reassign_vehicle",
    "recall_vin",
    "record_event",
    "record_odometer",
    "register_vehicle",
    "state_vin",
    "transfer_vehicle",
    "unlock_car",
    "update_car",
    "update_vehicle",
]
