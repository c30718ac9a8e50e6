"""Feeds: files, folders and samples as messages to publish, in a form that gives the same messages on every run.

Opening one by what an operator typed is `sealstream.producing.open_feed`, signing and sending the messages
`sealstream.producing.publish`.
"""

from sealstream.feeds.expectation import Expectation, Total, TotalKey
from sealstream.feeds.fault import Fault
from sealstream.feeds.feed import Feed, Ignored
from sealstream.feeds.item import STATEMENT_TYPE, TRANSACTION_TYPE, FeedItem

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
]
