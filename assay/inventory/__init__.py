"""Inventory: what is in an image. Layers are read once while they stream in; composition says what an image shows.

`catalog` holds the verbs `part_of` and `compose_image`; `LayerReaders` follows uploads and reads stored layers.
"""

from assay.inventory.component import Component, Evidence, Occurrence, is_of_unknown_release
from assay.inventory.compose import Composition, compose, shortened
from assay.inventory.limits import ReaderLimits, ReadLimits
from assay.inventory.part import LayerPart
from assay.inventory.readers import LayerReaders

__all__ = [
    "Component",
    "Composition",
    "Evidence",
    "LayerPart",
    "LayerReaders",
    "Occurrence",
    "ReadLimits",
    "ReaderLimits",
    "catalog",
    "compose",
    "is_of_unknown_release",
    "shortened",
]
