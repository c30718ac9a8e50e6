"""The models that a development installation is told to have: there, active, and asked for again without harm."""

from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from sealstream.running.own_models import have_text_models, place_of
from tests.support.installation import Installation


async def test_named_models_are_registered_and_activated_once(platform: Installation, tmp_path: Path) -> None:
    settings = platform.settings.model_copy(
        update={"text_models": ("shipped:patterns",), "model_store": tmp_path / "store"}
    )
    for _ in range(2):
        await have_text_models(settings)
        rows = await platform.rows("SELECT name, stage FROM models")
        assert [(row["name"], row["stage"]) for row in rows] == [("patterns", "active")]
    changes = [leaf["model_change"]["change"] for leaf in await platform.leaves("bank-a") if leaf["kind"] == "model"]
    assert changes == ["add", "activate"]


async def test_production_is_not_changed_by_a_setting(platform: Installation, tmp_path: Path) -> None:
    settings = platform.settings.model_copy(
        update={"text_models": ("shipped:patterns",), "model_store": tmp_path, "env": "production"}
    )
    with pytest.raises(ConfigurationError, match="models add"):
        await have_text_models(settings)


@pytest.mark.parametrize("name", ["shipped:nobody", "shipped:..", "shipped:", "shipped:../models"])
def test_a_model_that_is_not_shipped_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match="patterns"):
        place_of(name)
