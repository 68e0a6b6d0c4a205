"""Tournaments, metrics, reports, conformance and speed."""
