"""The family `patterns`: values that have a form, found by their form and checked by their check digits.

Names and places have no form: those are the family `tagger` and, for Chinese, `lac`.
"""
