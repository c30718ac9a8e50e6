"""The Faust transport behind ``frames://host:port``. The producer is Faust's stock aiokafka one."""

import asyncio
from typing import Any

from faust.transport import drivers
from faust.transport.drivers import aiokafka as stock
from faust.types import AppT
from faust.types.transports import ConsumerCallback, ConsumerT
from yarl import URL

from schemas.errors import ConfigurationError
from streams.frames.consumer import FrameConsumer
from streams.frames.options import FrameOptions

SCHEME = "frames"


class FrameTransport(stock.Transport):
    """Creates frame consumers.

    Faust itself makes one from the broker URL, without options: that one produces, and refuses to consume until
    ``use_frames`` gave the app another.
    """

    Consumer = FrameConsumer

    def __init__(
        self,
        url: list[URL],
        app: AppT,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        options: FrameOptions | None = None,
    ) -> None:
        super().__init__(url, app, loop)
        self.options = options

    def create_consumer(self, callback: ConsumerCallback, **kwargs: Any) -> ConsumerT:
        """Create the app's consumer."""
        if self.options is None:
            raise ConfigurationError("a frames:// app needs its options; call streams.frames.use_frames(app, options)")
        return FrameConsumer(self, callback=callback, loop=self.loop, options=self.options, **kwargs)


def register() -> None:
    """Make Faust know the scheme; repeating it is harmless."""
    drivers.TRANSPORTS.aliases[SCHEME] = f"{__name__}:{FrameTransport.__name__}"


def use_frames(app: AppT, options: FrameOptions) -> None:
    """Let an app whose broker is ``frames://host:port`` consume frames. To be called before it is started."""
    register()
    app.transport = FrameTransport(app.conf.broker_consumer, app, options=options)
