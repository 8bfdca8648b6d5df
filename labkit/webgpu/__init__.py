"""The page that runs the course's models in the browser: served, and measured from a notebook."""

from labkit.webgpu.figures import Figures, Runtime, compare
from labkit.webgpu.foundry import local_figures
from labkit.webgpu.headless import entered, measure
from labkit.webgpu.samples import Sample, classifier_path, samples

__all__ = [
    "Figures",
    "Runtime",
    "Sample",
    "classifier_path",
    "compare",
    "entered",
    "local_figures",
    "measure",
    "samples",
]
