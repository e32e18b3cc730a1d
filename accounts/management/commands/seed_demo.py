"""`manage.py seed_demo`: the demo data of every app that has a `demo` module, in the order of INSTALLED_APPS. A
module has `seed(now=, restore=)`, and `clear()` where a reset first has to make room."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.demo import PASSWORD, PEOPLE
from common.clock import now


class Command(BaseCommand):
    help = "Creates demo people, vehicles and a day's work; what is there already stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reset", action="store_true", help="put the demo data back as it was at first")

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ["DJANGO_SETTINGS_MODULE"].endswith(".production"):
            raise CommandError("The demo people's password is published; they have no place in production.")
        names = [f"{app.name}.demo" for app in apps.get_app_configs() if find_spec(f"{app.name}.demo")]
        modules = [import_module(name) for name in names]
        with transaction.atomic():
            for module in reversed(modules):  # What refers to others goes before them.
                if options["reset"] and hasattr(module, "clear"):
                    module.clear()
            for module in modules:
                module.seed(now=now(), restore=options["reset"])
        self.stdout.write(f"Demo people, all with the password {self.style.SUCCESS(PASSWORD)}:")
        for person in PEOPLE:
            self.stdout.write(f"  {person.email:32} {person.role}")
