"""The benchmark: this pipeline, a hand-written reference loop and stock Faust on the same signed records.

`python -m bench.main_job` runs all of it. Nothing here is part of the product.
"""
