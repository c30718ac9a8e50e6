"""What a process shows of itself: metrics and health over HTTP, traces over OTLP. What they mean: docs/operations.md.

`metrics` counts what the work tells, `live` reads what there is at the moment somebody asks, `lags` asks the database
and the broker now and then, `endpoint` serves all of it. `tracing` needs the extra otel. `observed` puts them together.
"""

from sealstream.observe.observed import Observation, observed

__all__ = ["Observation", "observed"]
