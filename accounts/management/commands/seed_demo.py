"""`manage.py seed_demo`: the demo data of every app that has a `demo` module, in the order of INSTALLED_APPS. A
module has `seed(now=, restore=)`, `clear()` where a reset first has to make room, and may have `LOOKS`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts import demo
from common.clock import now


class Command(BaseCommand):
    help = "Creates the demo business; what is there already stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reset", action="store_true", help="put the demo data back as it was at first")

    def handle(self, *args: Any, **options: Any) -> None:
        if not demo.is_welcome():
            raise CommandError("The demo people's password is published; they have no place in production.")
        modules, moment = demo.modules(), now()
        with transaction.atomic():
            for module in reversed(modules):  # What refers to others goes before them.
                if options["reset"] and hasattr(module, "clear"):
                    module.clear()
            for module in modules:
                module.seed(now=moment, restore=options["reset"])
        self.stdout.write(demo.story())
