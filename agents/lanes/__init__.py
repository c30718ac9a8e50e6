"""Deferred work: lanes by modality and urgency, and the worker that ends what waits in them.

`messages` is what a lane holds, `prefix` how far one is done, `claims` opens sealed bytes, `answers` checks and merges
what models say, `recording` makes leaves and rows, `desk` keeps what is in work, `infer` runs all of it.
"""
