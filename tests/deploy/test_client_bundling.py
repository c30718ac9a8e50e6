"""What the client's wheel takes from the platform: the whole of it, renamed, and nothing that a client has not."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("bundling", ROOT / "deploy" / "client" / "bundling.py")
assert _spec is not None
assert _spec.loader is not None
bundling = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bundling)


def test_what_is_imported_comes_along_with_its_packages() -> None:
    found = bundling.closure(ROOT, bundling.TAKEN)
    assert {"sealstream", "sealstream.client", "schemas.events.event", "security.signing"} <= found.keys()
    assert all(path.is_file() for path in found.values())
    assert not {name.partition(".")[0] for name in found} - {"schemas", "security", "sealstream"}


def test_what_lies_above_is_not_taken(tmp_path: Path) -> None:
    for name, text in (("sealstream/client.py", "from streams.health import Health"), ("streams/health.py", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"streams\.health"):
        bundling.closure(tmp_path, ("sealstream.client",))


def test_imports_of_our_own_are_renamed_and_others_stay() -> None:
    source = (
        "from schemas.errors import X\nfrom security import signing\nimport msgspec\nif X:\n    from schemas import Y\n"
    )
    assert bundling.renamed(source, "a") == (
        "from sealstream_client._vendor.schemas.errors import X\n"
        "from sealstream_client._vendor.security import signing\n"
        "import msgspec\n"
        "if X:\n    from sealstream_client._vendor.schemas import Y\n"
    )
    assert bundling.renamed("from schemasx import X\n", "a") == "from schemasx import X\n"


@pytest.mark.parametrize("source", ["import schemas.errors", "from . import signing", "from .signing import Signer"])
def test_a_form_that_is_not_renamed_fails_the_build(source: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        bundling.renamed(source, "a")
