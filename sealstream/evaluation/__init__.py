"""Labelled data sets as evaluations and trainings read them. The data themselves are not in this repository."""
