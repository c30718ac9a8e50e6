"""The family `tagger`: names of persons, organisations and places by a token classifier over a sentence encoder."""
