"""Stock Django REST framework: what its tutorial teaches, with the one setting that matters most already
right (`CONN_MAX_AGE=None`). ModelViewSet, ModelSerializer, PageNumberPagination, DjangoFilterBackend,
simplejwt. Served by gunicorn's gthread worker.
"""
