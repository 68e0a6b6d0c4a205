"""Distillation: what a small student of the raw book learns from the language model."""
