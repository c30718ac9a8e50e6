"""Feeds: files, folders and samples as messages to publish, in a form that gives the same messages on every run.

    feed = open_feed("exports/2026-03")
    for item in feed.items():
        ...

Signing and sending the messages is `sealstream.publish`.
"""

from sealstream.feeds.expectation import Expectation, Total, TotalKey
from sealstream.feeds.fault import Fault
from sealstream.feeds.feed import Feed, Ignored
from sealstream.feeds.item import STATEMENT_TYPE, TRANSACTION_TYPE, FeedItem
from sealstream.feeds.opening import open_feed

__all__ = [
    "STATEMENT_TYPE",
    "TRANSACTION_TYPE",
    "Expectation",
    "Fault",
    "Feed",
    "FeedItem",
    "Ignored",
    "Total",
    "TotalKey",
    "open_feed",
]
