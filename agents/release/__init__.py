"""Opening what the log says was decided: the only place from which plaintext of fields comes.

`Release` is the seam. `OwnRelease` opens with keys of this process. `Releaser` answers other processes that have none,
once it has made sure that a look is in the log and has decided anew what they ask for.
"""

from agents.release.askers import Askers
from agents.release.kept_keys import KeptKeys, KeysWatch
from agents.release.opening import OwnRelease, Release, ShownRecord
from agents.release.refusal import Refusal, ReleaseRefused
from agents.release.releaser import Releaser

__all__ = [
    "Askers",
    "KeptKeys",
    "KeysWatch",
    "OwnRelease",
    "Refusal",
    "Release",
    "ReleaseRefused",
    "Releaser",
    "ShownRecord",
]
