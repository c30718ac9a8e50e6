"""Dead letters taken in again: their first bytes, under today's keys, catalogue, model and code.

`letters` proves and opens a dead letter, `attempt` takes it through the stages, `recording` makes the leaves and rows,
`replayer` runs all of it. What a replay means for the log is in docs/decisions.
"""

from agents.replay.letters import AlreadyReplayed, NotReplayable
from agents.replay.replayer import Replayed, Replayer

__all__ = ["AlreadyReplayed", "NotReplayable", "Replayed", "Replayer"]
