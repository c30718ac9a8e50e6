"""XML is parsed within bounds, offline, and never with a document type."""

from pathlib import Path

import pytest

from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.safe_xml import XmlLimits, parse_xml
from tests.shared_data import shared

_BOMB = '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;&b;">]><a>&d;</a>'


def test_returns_the_root_element() -> None:
    root = parse_xml(b'<?xml version="1.0"?>\n<!-- hello --><a xmlns="u"><b/></a>')
    assert root.tag == "{u}a"


def test_joins_the_text_around_comments_instructions_and_cdata() -> None:
    root = parse_xml(b"<Amt>12<!-- x -->3<?y z?>4<![CDATA[5]]></Amt>")
    assert root.text == "12345"
    assert len(root) == 0


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252", "utf-8-sig", "utf-16-le", "utf-16-be"]
)
def test_reads_declared_encodings(encoding: str) -> None:
    declared = encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    data = f'<?xml version="1.0" encoding="{declared}"?><a>Zürich</a>'.encode(encoding)
    assert parse_xml(data).text == "Zürich"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"<!DOCTYPE a><a/>", id="bare"),
        pytest.param(_BOMB.encode(), id="internal-entities"),
        pytest.param(b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>', id="external-subset"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>', id="external-entity"),
        pytest.param(b'<?xml version="1.0"?> <!-- <a> --> <?p ?>\r\n<!DOCTYPE a><a/>', id="after-a-prolog"),
        pytest.param(b"\xef\xbb\xbf<!DOCTYPE a><a/>", id="after-a-byte-order-mark"),
        pytest.param(_BOMB.encode("utf-16"), id="utf-16"),
        pytest.param(f'<?xml version="1.0" encoding="utf-16"?>{_BOMB}'.encode("utf-16-be"), id="utf-16-without-mark"),
        pytest.param(f'<?xml version="1.0" encoding="UTF-7"?>{_BOMB}'.encode("utf-7"), id="utf-7"),
        pytest.param(f'<?xml version="1.0" encoding="IBM037"?>{_BOMB}'.encode("cp037"), id="ebcdic"),
        pytest.param(f'<?xml version="1.0" encoding="UTF-32"?>{_BOMB}'.encode("utf-32"), id="utf-32"),
    ],
)
def test_refuses_every_document_type(data: bytes) -> None:
    with pytest.raises(Rejection) as refused:
        parse_xml(data)
    assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"   ", id="blank"),
        pytest.param(b"plain text", id="text"),
        pytest.param(b"<a>", id="unclosed"),
        pytest.param(b"<a></b>", id="mismatched"),
        pytest.param(b"<a/><b/>", id="two-roots"),
        pytest.param(b"<a>\x00</a>", id="nul"),
        pytest.param(b"<a>&#0;</a>", id="nul-reference"),
        pytest.param(b"<a>&secret;</a>", id="undefined-entity"),
        pytest.param(b'<?xml version="1.0" encoding="utf-8"?><a>\xff</a>', id="wrong-encoding"),
        pytest.param(b'<?xml version="1.0" encoding="bogus"?><a/>', id="unknown-encoding"),
        pytest.param(b"<p:a/>", id="undeclared-prefix"),
        pytest.param(b'<a b="1" b="2"/>', id="repeated-attribute"),
        pytest.param(b"<a>" * 65 + b"</a>" * 65, id="too-deep"),
        pytest.param(b"<a>" * 5000 + b"</a>" * 5000, id="far-too-deep"),
        pytest.param(b"<a>" + b"x" * 11_000_000 + b"</a>", id="huge-text"),
        pytest.param(b"<!--" * 200_000, id="hostile-prolog"),
    ],
)
def test_refuses_what_is_not_well_formed(data: bytes) -> None:
    with pytest.raises(Rejection) as refused:
        parse_xml(data)
    assert refused.value.reason is Reason.MALFORMED


def test_names_the_line_and_nothing_of_the_text() -> None:
    with pytest.raises(Rejection) as refused:
        parse_xml(b"<a>\n<secretname></a>")
    assert refused.value.detail == "not well-formed XML at line 2"


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        pytest.param(b"<a>     </a>", XmlLimits(max_bytes=10), id="bytes"),
        pytest.param(b"<a>" + b"<b></b>" * 10 + b"</a>", XmlLimits(max_elements=10), id="elements"),
    ],
)
def test_refuses_oversized_documents(data: bytes, limits: XmlLimits) -> None:
    with pytest.raises(Rejection) as refused:
        parse_xml(data, limits=limits)
    assert refused.value.reason is Reason.OVERSIZED


def test_takes_what_just_fits() -> None:
    data = b"<a>" * 64 + b"</a>" * 64
    assert parse_xml(data, limits=XmlLimits(max_bytes=len(data), max_elements=64)).tag == "a"


def test_refuses_the_known_attacks() -> None:
    attacks = shared("data/hostile/xml_defusedxml")
    listed = shared("data/hostile/payload_lists/XXE Injection")
    files = [*attacks.glob("*.xml"), *listed.rglob("*.xml")]
    assert len(files) >= 8
    for path in files:
        assert _reason(path) is Reason.MALFORMED, path.name


def _reason(path: Path) -> Reason | None:
    try:
        parse_xml(path.read_bytes())
    except Rejection as exc:
        return exc.reason
    return None
