"""The one router."""

from rest_framework.routers import SimpleRouter


class ApiRouter(SimpleRouter):
    """No trailing slash, and no regular expressions in paths."""

    def __init__(self) -> None:
        super().__init__(trailing_slash=False, use_regex_path=False)
