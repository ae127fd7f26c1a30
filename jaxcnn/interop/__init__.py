"""Imports weights from other frameworks."""
