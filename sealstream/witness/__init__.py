"""A witness of our own (C2SP tlog-witness). It trusts no Sealstream platform: it has its own key and its own disk."""

from sealstream.witness.server import serving_witness
from sealstream.witness.store import WitnessDirectory
from sealstream.witness.witness import Witness

__all__ = ["Witness", "WitnessDirectory", "serving_witness"]
