"""Training and evaluation of the models that ship with the product.

Needs the `train` extra; nothing on a record's path imports it.
"""
