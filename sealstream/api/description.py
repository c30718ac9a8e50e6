"""The API's description as a file: docs/openapi.json."""

import json

from sealstream.api.application import create_app


def openapi() -> str:
    """As it is committed."""
    return json.dumps(create_app(None).openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
