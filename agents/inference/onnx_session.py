"""Opening a model file in ONNX Runtime so that it runs where it was asked to, or not at all."""

from typing import Any, Final

import onnxruntime as ort

from schemas.errors import ConfigurationError

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
CANN: Final = "CANNExecutionProvider"


def open_session(content: bytes, provider: str = CPU, threads: int = 1) -> Any:
    """Load a model.

    Args:
        content: Of the ONNX file.
        provider: Execution provider of ONNX Runtime that must be in use.
        threads: Of one call. Workers scale as processes: more threads here would fight over the same cores.

    Raises:
        ConfigurationError: The file can't be loaded, or the provider is not in force.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The runtime falls back to the CPU with no more than a warning, here and when a provider fails later on.
    if provider not in ort.get_available_providers():
        raise _not_in_force(provider)
    try:
        session = ort.InferenceSession(content, options, providers=[provider])
    except Exception as exc:
        raise ConfigurationError("ONNX Runtime cannot load the model file; restore it from the release") from exc
    session.disable_fallback()
    if session.get_providers()[0] != provider:
        raise _not_in_force(provider)
    return session


def _not_in_force(provider: str) -> ConfigurationError:
    return ConfigurationError(
        f"ONNX Runtime does not run on {provider} here; install the runtime that has it or choose {CPU}"
    )
