"""The page of proofs in a real browser: what is good, what is altered on its way, what the browser can't do."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Page, Route

from security.access.policy_set import default_policies
from security.cosignature import Cosigner
from security.merkle import leaf_hash, root_and_paths
from tests.support.approving import OFFICIAL
from tests.support.console import CONSOLE, DISTRICT, Opened, keyless
from tests.support.exchange import POLICIES
from tests.support.receipts import LOG, SIZE, good_receipts, sample_log
from tests.support.seeing import choose, see
from tests.support.tampered_receipts import TAMPERED

DISTRICT_RECEIPT = DISTRICT.replace("social-security-district", "district-receipt").replace('"read"', '"receipt"')
WITNESS = Cosigner("witness.example.org", b"witness".ljust(32, b"."))
SILENT = Cosigner("silent.example.org", b"silent".ljust(32, b"."))
# As a browser that has no Ed25519 answers.
NO_ED25519 = """
const known = crypto.subtle.importKey.bind(crypto.subtle);
crypto.subtle.importKey = async (form, key, algorithm, ...more) => {
  if ((algorithm.name ?? algorithm) === "Ed25519") throw new DOMException("Unrecognized name.", "NotSupportedError");
  return known(form, key, algorithm, ...more);
};
"""


@pytest.fixture
async def opened(opened: Opened) -> Opened:
    await opened.exchange.adopt(default_policies() + POLICIES + DISTRICT + DISTRICT_RECEIPT)
    return opened


async def vkey_of(opened: Opened, tenant: str = "registry") -> str:
    """The log's key, as an auditor has it from elsewhere."""
    row = next(iter(await opened.exchange.platform.rows("SELECT vkey FROM logs WHERE tenant = $1", tenant)))
    return str(row["vkey"])


STEPS = """[...document.querySelectorAll("#steps li")].map(
  (each) => [each.dataset.code, each.querySelector(".state").className.split(" ")[1]]
)"""
# As the driver chooses a file, for many without a way to the page and back for each.
CHOOSE_EACH = """async (bodies) => {
  const [file, verdict] = ["file", "verdict"].map((id) => document.getElementById(id));
  const found = [];
  for (const body of bodies) {
    const bytes = Uint8Array.from(atob(body), (each) => each.charCodeAt(0));
    const chosen = new DataTransfer();
    chosen.items.add(new File([bytes], "r.json", { type: "application/json" }));
    verdict.dataset.state = "of another file";
    file.files = chosen.files;
    file.dispatchEvent(new Event("change", { bubbles: true }));
    while (verdict.dataset.code === "working") await new Promise((resolve) => setTimeout(resolve));
    found.push([verdict.dataset.state, STEPS]);
  }
  return found;
}""".replace("STEPS", STEPS)


async def concluded(page: Page) -> tuple[str, list[tuple[str, str]]]:
    """The verdict, and each step's code with its state."""
    await page.wait_for_selector("#verdict:not([data-code=working])")
    verdict, steps = await page.evaluate(f"[document.getElementById('verdict').dataset.state, {STEPS}]")
    return verdict or "", [(code, state) for code, state in steps]


async def by_file(page: Page, body: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Verify a file."""
    await page.set_input_files("#file", [{"name": "r.json", "mimeType": "application/json", "buffer": body}])
    return await concluded(page)


async def by_files(page: Page, bodies: Sequence[bytes]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Verify each of these files, one after the other."""
    found = await page.evaluate(CHOOSE_EACH, [b64encode(body).decode() for body in bodies])
    return [(verdict, [(code, state) for code, state in steps]) for verdict, steps in found]


async def fetched(page: Page, form: str = "#by-record") -> tuple[str, list[tuple[str, str]]]:
    """Fetch and verify."""
    await page.click(f"{form} button")
    return await concluded(page)


async def test_a_receipt_is_verified_by_the_browser_with_the_readers_own_keys(opened: Opened) -> None:
    (record,) = await opened.exchange.residents()
    page = await opened.person(OFFICIAL)
    watched: list[str] = []
    page.on("console", lambda message: watched.append(message.text))
    await page.goto(f"{opened.url}{CONSOLE}/records/{record}?purpose=casework")
    await page.click(f"main a[href*='/proofs?record={record}']")
    await see(page, "proofs")
    # Nothing counts without a key, and none comes from the server.
    assert await page.input_value("#keys") == ""
    assert await fetched(page) == ("bad", [("no-key", "refused"), ("after", "pending")])
    await page.fill("#keys", await vkey_of(opened))
    good = ["signed", "included", "leaf-good", "field-good"]
    assert await fetched(page) == ("good", [(each, "open") for each in good])
    assert 'district is what the leaf commits to: "east"' in await page.inner_text("#steps")
    await page.click("#keep")
    await see(page, "proof")
    await choose(page, "zh-Hans")
    # Kept in the browser, not in the page.
    assert await page.input_value("#keys") == await vkey_of(opened)
    await page.fill("#record", str(record))
    await page.fill("#record-purpose", "casework")
    assert (await fetched(page))[0] == "good"
    await see(page, "proof", "zh")
    assert [text for text in watched if "Content Security Policy" in text] == []
    assert (await opened.exchange.platform.audit()).findings == []


def flip(text: str) -> str:
    """Another text of the same form."""
    raw = bytearray(b64decode(text))
    raw[0] ^= 1
    return b64encode(raw).decode()


def _note_line(number: int, change: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
    def apply(members: dict[str, Any]) -> None:
        lines = members["checkpoint"].split("\n")
        lines[number] = change(lines[number])
        members["checkpoint"] = "\n".join(lines)

    return apply


def _signature(line: str) -> str:
    dash, name, encoded = line.split(" ")
    raw = bytearray(b64decode(encoded))
    raw[-1] ^= 1
    return f"{dash} {name} {b64encode(raw).decode()}"


ALTERED: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "leaf": ("inclusion", lambda m: m.update(leaf=m["leaf"].replace('"v":1', '"v":2'))),
    "index": ("inclusion", lambda m: m.update(index=m["index"] ^ 1)),
    "path": ("inclusion", lambda m: m["path"].__setitem__(0, flip(m["path"][0]))),
    "size": ("signature", _note_line(1, lambda size: str(int(size) + 1))),
    "root": ("signature", _note_line(2, flip)),
    "signature": ("signature", _note_line(4, _signature)),
    "origin": ("other-log", lambda m: m.update(origin=m["origin"] + "x")),
    "value": ("field", lambda m: m["fields"]["district"].update(value='"west"')),
    "salt": ("field", lambda m: m["fields"]["district"].update(salt=flip(m["fields"]["district"]["salt"]))),
    "field": ("field-absent", lambda m: m["fields"].update(castle=m["fields"]["district"])),
    "member": ("malformed", lambda m: m.update(verified=True)),
}


async def test_what_is_altered_on_its_way_is_shown_as_failed(opened: Opened) -> None:
    first, second = await opened.exchange.residents(2)
    page = await opened.person(OFFICIAL)
    await page.goto(f"{opened.url}{CONSOLE}/proofs?record={first}&purpose=casework")
    await page.fill("#keys", await vkey_of(opened))
    assert (await fetched(page))[0] == "good"
    altering = "leaf"

    async def alter(route: Route) -> None:
        members = json.loads((await (await route.fetch()).body()).decode())
        ALTERED[altering][1](members)
        await route.fulfill(body=json.dumps(members, ensure_ascii=False), content_type="application/json")

    await page.route("**/proofs/receipt*", alter)
    for altering, (code, _) in ALTERED.items():
        verdict, steps = await fetched(page)
        assert (verdict, steps[-2:]) == ("bad", [(code, "refused"), ("after", "pending")]), altering
    await see(page, "proof-failed")
    await page.unroute("**/proofs/receipt*")

    # A good receipt, of another record.
    async def other(route: Route) -> None:
        await route.continue_(url=route.request.url.replace(str(first), str(second)))

    await page.route("**/proofs/receipt*", other)
    assert (await fetched(page))[1][-2:] == [("another", "refused"), ("after", "pending")]
    await page.unroute("**/proofs/receipt*")
    await page.fill("#record", str(UUID(int=7)))
    assert (await fetched(page))[0] == "bad"
    assert "404" in await page.inner_text("#verdict")


def cosigned(*witnesses: Cosigner) -> bytes:
    """The first sample under a checkpoint that witnesses cosigned."""
    sample = sample_log()
    root, _ = root_and_paths([leaf_hash(each.leaf) for each in sample.entries])
    note = sample.checkpoint(root, SIZE)
    text = note[: note.index("\n\n") + 1]
    lines = [witness.cosign(text, 1_769_904_000).line for witness in witnesses]
    members = json.loads(good_receipts()["one-field"]) | {"checkpoint": note + "".join(lines)}
    return json.dumps(members, ensure_ascii=False).encode()


async def test_files_are_verified_as_every_other_verifier_does(opened: Opened) -> None:
    """The table of receipts that all verifiers share: what is good, and whatever can be done to one."""
    page = await opened.person(keyless(OFFICIAL))
    await page.goto(f"{opened.url}{CONSOLE}/proofs")
    await page.fill("#keys", LOG.verifier.vkey)
    await page.context.set_offline(True)
    good = good_receipts()
    for (name, body), (verdict, steps) in zip(good.items(), await by_files(page, list(good.values())), strict=True):
        assert verdict == ("unknown" if ("message", "pending") in steps else "good"), name
        assert (("message", "pending") in steps) == ("message" in json.loads(body)), name
    made = [tampered.make() for tampered in TAMPERED.values()]
    for (name, tampered), (verdict, _) in zip(TAMPERED.items(), await by_files(page, made), strict=True):
        # The producer's message is not verified here, and the page says so.
        assert verdict == ("unknown" if tampered.part == "message" else "bad"), name


async def test_witnesses_count_when_their_keys_are_given(opened: Opened) -> None:
    page = await opened.person(keyless(OFFICIAL))
    await page.goto(f"{opened.url}{CONSOLE}/proofs")
    await page.fill("#keys", LOG.verifier.vkey)
    assert ("unknown-line", "pending") in (await by_file(page, cosigned(WITNESS)))[1]
    await page.fill("#witnesses", f"{WITNESS.verifier.vkey}\n{SILENT.verifier.vkey}")
    verdict, steps = await by_file(page, cosigned(WITNESS))
    assert verdict == "good"
    assert steps[1:3] == [("cosigned", "open"), ("not-cosigned", "pending")]
    assert "2026-02-01T00:00:00" in await page.inner_text("#steps")
    await page.fill("#least", "2")
    assert (await by_file(page, cosigned(WITNESS)))[0] == "bad"
    assert (await by_file(page, cosigned(WITNESS, SILENT)))[0] == "good"
    later = json.loads(cosigned(WITNESS))
    note = later["checkpoint"].split("\n")
    note[-2] = _signature(note[-2])
    later["checkpoint"] = "\n".join(note)
    assert (await by_file(page, json.dumps(later).encode()))[1][-2][0] == "signature"
    await page.fill("#witnesses", "nonsense")
    assert (await by_file(page, cosigned(WITNESS)))[1][0] == ("key", "refused")


async def test_a_browser_without_ed25519_says_so(opened: Opened) -> None:
    page = await opened.person(keyless(OFFICIAL))
    await page.add_init_script(NO_ED25519)
    await page.goto(f"{opened.url}{CONSOLE}/proofs")
    await page.fill("#keys", LOG.verifier.vkey)
    assert await by_file(page, good_receipts()["one-field"]) == (
        "bad",
        [("unsupported", "refused"), ("after", "pending")],
    )
    assert "WebCrypto" in await page.inner_text("#steps")
