"""Build hook: the package depends on what `runtime.in` names, so that the list stands in one place."""

from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RuntimeDependencies(MetadataHookInterface):
    """Fills the dynamic field `dependencies` from `requirements/runtime.in`."""

    def update(self, metadata: dict[str, object]) -> None:
        """Put the non-comment lines of `runtime.in` into `metadata`."""
        lines = (Path(self.root) / "requirements" / "runtime.in").read_text().splitlines()
        metadata["dependencies"] = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
