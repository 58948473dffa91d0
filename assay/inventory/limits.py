"""What is read of one layer at most. Beyond a limit the layer counts as partly read, with the reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """Limits on the processes that read layers."""

    #: Address space of one reader process.
    memory_bytes_max: int = 512 << 20
    #: Processor time for one layer.
    cpu_seconds: int = 300
    #: How long a reader may say nothing while it has bytes to read.
    wall_seconds: float = 600.0
    #: How long a reader waits for a slow upload while a stored layer waits for a reader, and while others may.
    patience_seconds: float = 0.25
    idle_seconds: float = 10.0
    #: Uploads that are followed or wait to be; further ones are read when they are stored.
    followed_max: int = 256
    #: Layers that one process reads before a fresh one takes its place.
    layers_each_max: int = 200


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits on foreign bytes; the defaults are for production, tests set smaller ones."""

    #: All that one layer unpacks to.
    unpacked_bytes_max: int = 64 << 30
    #: Unpacked bytes for each byte of the blob, asked once `ratio_free_bytes` are unpacked. Deflate ends at 1,032.
    ratio_max: int = 200
    ratio_free_bytes: int = 1 << 30
    members_max: int = 2_000_000
    #: Paths, with the folders on the way to each, whose hashes are kept.
    paths_max: int = 4_000_000
    #: The longest path or link target: PATH_MAX of Linux.
    path_bytes_max: int = 4096
    #: One pax header, long name or long link; Go's archive/tar reads as much.
    header_bytes_max: int = 1 << 20
    package_files_max: int = 100_000
    #: Packages of all package files together.
    packages_max: int = 100_000
    whiteouts_max: int = 100_000
    links_max: int = 100_000
    #: Paths and targets of the links together.
    link_bytes_max: int = 16 << 20
    #: Problems that are kept word by word.
    problems_max: int = 50
