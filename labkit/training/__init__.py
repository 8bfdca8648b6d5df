"""The recipe behind the bundled chat models: corpus, training, export and measurement.

Nothing here is imported by the course itself; it needs the extra `train`.
"""
