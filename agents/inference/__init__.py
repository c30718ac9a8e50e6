"""Inference: the engine protocol, the ONNX engine, and the models that ship with the product.

Training them is `sealstream.training`; deciding which record goes to which engine is `agents.commits.routing`. The ONNX
engine is not imported here, because it pulls in numpy and ONNX Runtime.
"""

from agents.inference.engine import Decision, Engine, InferenceFailed, ModelIdentity, ModelInput

__all__ = ["Decision", "Engine", "InferenceFailed", "ModelIdentity", "ModelInput"]
