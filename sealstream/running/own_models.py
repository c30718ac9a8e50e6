"""The text models that a development installation is to have: registered and activated before its workers start."""

from pathlib import Path
from typing import Final

from agents.inference.model_directory import read_manifest
from agents.models.curator import Curator, Trust
from schemas.errors import ConfigurationError
from sealstream.settings import Settings
from sealstream.wiring import connected, model_store, open_identity

SHIPPED: Final = Path(__file__).parents[2] / "agents" / "inference" / "models"
_PREFIX: Final = "shipped:"
_WHY: Final = "named in SEALSTREAM_TEXT_MODELS"


async def have_text_models(settings: Settings) -> None:
    """Register and activate the models that SEALSTREAM_TEXT_MODELS names, as far as they are not in force.

    Raises:
        ConfigurationError: One is not there or can't be opened, there is no store, or this is production.
    """
    if not settings.text_models:
        return
    store = model_store(settings)
    if settings.env == "production" or store is None:
        raise ConfigurationError(
            "SEALSTREAM_TEXT_MODELS is for development; use `sealstream models add` and `activate`"
        )
    async with connected(settings, "models", connections=2) as database:
        curator = Curator(database, open_identity(settings), store)
        for named in settings.text_models:
            path = place_of(named)
            manifest = read_manifest(path)
            known = {(row.name, row.digest): row for row in await curator.models()}
            row = known.get((manifest.name, manifest.digest)) or await curator.add(path)
            if row.stage != "active":
                await curator.activate(row.name, row.version, trust=Trust(unevaluated=_WHY))


def place_of(named: str) -> Path:
    """Where a model lies that is named by its directory, or as `shipped:NAME`.

    Raises:
        ConfigurationError: No such model is shipped.
    """
    if not named.startswith(_PREFIX):
        return Path(named).expanduser()
    there = {each.name: each for each in SHIPPED.iterdir() if each.is_dir()}
    path = there.get(named.removeprefix(_PREFIX))
    if path is None:
        raise ConfigurationError(f"no model {named!r} is shipped; there are {', '.join(sorted(there))}")
    return path
