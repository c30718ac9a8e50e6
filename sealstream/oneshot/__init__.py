"""`sealstream run`: the main job once, on embedded servers: produce, process, verify, report."""

from sealstream.oneshot.job import RunOptions, run_on, run_once
from sealstream.oneshot.report import RunReport

__all__ = ["RunOptions", "RunReport", "run_on", "run_once"]
