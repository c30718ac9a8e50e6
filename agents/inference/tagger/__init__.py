"""The family `tagger`: names of persons, organisations and places by a conditional random field (CRFsuite)."""
