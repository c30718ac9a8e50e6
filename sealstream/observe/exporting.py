"""Sending spans to a collector by OTLP over HTTP. Needs the extra otel; the SDK's own `OTEL_*` variables hold too."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from schemas.errors import ConfigurationError

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
except ImportError as exc:
    raise ConfigurationError(
        "SEALSTREAM_OTLP_ENDPOINT is set and the libraries for traces are missing; install sealstream[otel]"
    ) from exc

from sealstream.observe.tracing import Traces

EXPORT_SECONDS: Final = 2.0
"""How long a collector may take; also what the end of a process waits for one that is away."""


@asynccontextmanager
async def exporting(endpoint: str, role: str, group: str) -> AsyncIterator[Traces]:
    """Trace while the body runs; what was traced is sent at the end. A collector that is away costs its spans, no more.

    Args:
        endpoint: The collector's base URL, as in `http://collector:4318`.
    """
    provider = TracerProvider(
        resource=Resource.create(
            {
                "service.name": "sealstream",
                "service.version": version("sealstream"),
                "service.instance.id": str(os.getpid()),
                "sealstream.role": role,
                "sealstream.group": group,
            }
        ),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Traces(provider.get_tracer("sealstream"))
    finally:
        await asyncio.to_thread(provider.shutdown)
