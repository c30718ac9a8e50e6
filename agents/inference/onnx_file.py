"""Which operator sets an ONNX file was written for, read without the `onnx` package, which workers don't have.

Only the outermost fields of the `ModelProto` are walked (onnx.proto3, fields 7 `graph` and 8 `opset_import`); ONNX
Runtime itself doesn't tell.
"""

from collections.abc import Iterator
from typing import Final

from schemas.errors import ConfigurationError

_OPSET_IMPORT: Final = 8
_DOMAIN: Final = 1
_VERSION: Final = 2
_VARINT: Final = 0
_BYTES: Final = 2
_FIXED: Final = {1: 8, 5: 4}


def opsets(content: bytes) -> dict[str, int]:
    """Domain to version; the standard operators' domain is the empty string.

    Raises:
        ConfigurationError: It is no ONNX file, or a part of one.
    """
    found: dict[str, int] = {}
    try:
        for number, value in _fields(memoryview(content)):
            if number == _OPSET_IMPORT and isinstance(value, memoryview):
                members = dict(_fields(value))
                domain, version = members.get(_DOMAIN, b""), members.get(_VERSION, 0)
                if not isinstance(version, int) or isinstance(domain, int):
                    raise ValueError("members of other types")
                found[bytes(domain).decode()] = version
    except (IndexError, ValueError) as exc:
        raise ConfigurationError("the model file is no whole ONNX file; restore it from the release") from exc
    return found


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError("unknown kind of field")
        if at + size > len(data):
            raise ValueError("cut off")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("number too long")
