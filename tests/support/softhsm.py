"""SoftHSM2 for tests: tokens in a directory of their own."""

import os
import subprocess
from functools import cached_property
from pathlib import Path

from security.pkcs11_token import Pkcs11Access, Pkcs11Token

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
CONFIGURATION = "SOFTHSM2_CONF"
PIN, SO_PIN = "1234-user", "5678-officer"
TOKEN, OTHER = "sealstream", "other"


def softhsm_module() -> Path | None:
    """Where its library is, if it is installed."""
    return next((Path(each) for each in MODULES if Path(each).exists()), None)


class SoftHsm:
    """Two tokens, `TOKEN` and `OTHER`. The library reads the variable once in a process: one directory for all."""

    def __init__(self, directory: Path, module: Path) -> None:
        (directory / "tokens").mkdir(parents=True)
        self.module = module
        self.configuration = directory / "softhsm2.conf"
        self.configuration.write_text(
            f"directories.tokendir = {directory / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ[CONFIGURATION] = str(self.configuration)
        for label in (TOKEN, OTHER):
            subprocess.run(
                ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN],
                check=True,
                capture_output=True,
            )
        self.pin_file = directory / "pin"
        self.pin_file.touch(mode=0o600)
        self.pin_file.write_text(PIN + "\n")

    def access(self) -> Pkcs11Access:
        return Pkcs11Access(self.module, TOKEN, self.pin_file)

    @cached_property
    def token(self) -> Pkcs11Token:
        return Pkcs11Token(self.access())

    def settings(self) -> dict[str, str]:
        """As variables of a process."""
        return {
            CONFIGURATION: str(self.configuration),
            "SEALSTREAM_KEY_PROVIDER": "pkcs11",
            "SEALSTREAM_PKCS11_MODULE": str(self.module),
            "SEALSTREAM_PKCS11_TOKEN": TOKEN,
            "SEALSTREAM_PKCS11_PIN_FILE": str(self.pin_file),
        }
