"""Functions: applications and functions that name an image of this registry, kept on a digest and watched."""

from assay.functions import applications, functions, model, watch

__all__ = ["applications", "functions", "model", "watch"]
