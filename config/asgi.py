"""The live process: long-lived streams only; the API itself runs under WSGI (see docs/adr)."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
os.environ.setdefault("PROCESS_ROLE", "stream")

from django.core.asgi import get_asgi_application

application = get_asgi_application()
