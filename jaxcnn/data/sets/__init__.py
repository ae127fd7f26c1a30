"""Prepares data sets from official archives."""
