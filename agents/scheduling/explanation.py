"""Why a batch was started as it was, small enough for the leaf of each record. Making one is a policy's part."""

from typing import Final, Literal

import msgspec

LONGEST_NAME: Final = 64
"""Characters that are kept of a model's or device's name."""

LARGEST: Final = 10**15
"""Numbers are cut off here: every JSON reader keeps them exactly (RFC 8259, section 6), and the length is bounded."""

SlotName = Literal["express", "ordinary"]
Why = Literal["aged", "deadline", "oldest", "priority", "probe", "turn"]


class Explanation(msgspec.Struct, frozen=True, gc=False):
    """One assignment, explained. Members are declared in sorted order: that order is the RFC 8785 form.

    Attributes:
        attempt: 1 for the first; of the batch's first item.
        device: Its name.
        filled: How many of the batch are of other shelves, for which it had room.
        items: In the batch.
        model: Its name.
        policy: Name and version.
        predicted: Microseconds from the decision to the batch's end, as predicted; without the time in which urgent
            batches in the device's express slot go before it.
        priority: What was compared; less is sooner. Its unit is the policy's.
        queue: Modality and urgency.
        slack: Microseconds that the batch's first item could still have waited; negative when it was late.
        slot: On a device that has an express slot: whether the batch is in it. Others have no such member.
        tokens: Padded, in the batch.
        why: `priority` or another rule that came before it.
    """

    attempt: int
    device: str
    filled: int
    items: int
    model: str
    policy: str
    predicted: int
    priority: int
    queue: str
    slack: int
    slot: SlotName | msgspec.UnsetType
    tokens: int
    why: Why

    def text(self) -> str:
        """Canonical JSON (RFC 8785), at most 600 bytes in ASCII names: a leaf's `decision`."""
        cut = msgspec.structs.replace(
            self,
            device=self.device[:LONGEST_NAME],
            model=self.model[:LONGEST_NAME],
            predicted=_cut(self.predicted),
            priority=_cut(self.priority),
            slack=_cut(self.slack),
        )
        return msgspec.json.encode(cut).decode()


def _cut(value: int) -> int:
    return max(-LARGEST, min(value, LARGEST))
