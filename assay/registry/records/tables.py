"""The registry's tables.

Blobs and manifests are global facts, stored once whoever pushed them; a tenant reaches them only through
`repository_blob` and `repository_manifest`. What the pusher says of a manifest's bytes (its media type) stands there
too, so that no tenant can see in it what another one said.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text

from assay.storage import Json, Serial, metadata, owned

#: Text that both databases sort by its bytes, as the distribution specification sorts tags.
Ascii = Text().with_variant(Text(collation="C"), "postgresql")

repository = Table(
    "repository",
    metadata,
    *owned(),
    Column("name", Ascii, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("is_immutable", Boolean, nullable=False),
    Column("readme_content", Text),
    Column("readme_format", Text),
    Column("created_by", Text, nullable=False),
    Column("time_last_pushed", BigInteger),
    Column("image_count", Integer, nullable=False, default=0),
    Column("layer_count", Integer, nullable=False, default=0),
    Column("layers_bytes", BigInteger, nullable=False, default=0),
    Column("stored_bytes", BigInteger, nullable=False, default=0),
    #: When retention last went through it.
    Column("time_retained", BigInteger),
)
Index(
    "uq_repository_tenancy_name",
    repository.c.tenancy,
    repository.c.name,
    unique=True,
    sqlite_where=text("lifecycle_state <> 'DELETED'"),
    postgresql_where=text("lifecycle_state <> 'DELETED'"),
)

Index("ix_repository_tenancy_time_retained", repository.c.tenancy, repository.c.time_retained)

#: What a tenancy decides for its registry; without a row the defaults hold.
container_configuration = Table(
    "container_configuration",
    metadata,
    Column("tenancy", Text, primary_key=True),
    Column("compartment", Text, nullable=False),
    Column("is_repository_created_on_first_push", Boolean, nullable=False),
    Column("time_updated", BigInteger, nullable=False),
)

#: Global: a blob that the blob store holds. `time_unreferenced`: since when no repository holds it, as far as is known;
#: the last time at which a push claimed it, if that is later (docs/adr/0021).
blob = Table(
    "blob",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    Column("time_unreferenced", BigInteger),
    sqlite_with_rowid=False,
)
Index(
    "ix_blob_time_unreferenced",
    blob.c.time_unreferenced,
    sqlite_where=text("time_unreferenced IS NOT NULL"),
    postgresql_where=text("time_unreferenced IS NOT NULL"),
)

#: Global: blobs and manifests whose stored bytes are not what their digest says, until they are mended.
damage = Table(
    "damage",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("says", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: How far a piece of upkeep that goes through everything has come; `after` is empty when a round has ended.
upkeep_round = Table(
    "upkeep_round",
    metadata,
    Column("name", Text, primary_key=True),
    Column("after", Text, nullable=False),
    Column("time_began", BigInteger, nullable=False),
    Column("time_ended", BigInteger),
    sqlite_with_rowid=False,
)

#: That a repository holds a blob. `layer_uses` counts the images, not yet purged, that have it as a layer.
#: `time_goes`: when it goes, unless a manifest of the repository comes to name it; NULL while one does.
repository_blob = Table(
    "repository_blob",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    *owned(resource=False),
    Column("size", BigInteger, nullable=False),
    Column("layer_uses", Integer, nullable=False, default=0),
    Column("time_created", BigInteger, nullable=False),
    Column("time_deleted", BigInteger),
    Column("time_goes", BigInteger),
    sqlite_with_rowid=False,
)
Index("ix_repository_blob_tenancy_digest", repository_blob.c.tenancy, repository_blob.c.digest)
Index("ix_repository_blob_digest", repository_blob.c.digest)
Index(
    "ix_repository_blob_time_goes",
    repository_blob.c.time_goes,
    sqlite_where=text("time_goes IS NOT NULL"),
    postgresql_where=text("time_goes IS NOT NULL"),
)

#: Global: the bytes of a manifest or index.
manifest = Table(
    "manifest",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("time_created", BigInteger, nullable=False),
)

#: Global: what a manifest names: its config, layers, children, attestations among the children.
manifest_link = Table(
    "manifest_link",
    metadata,
    Column("manifest", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    sqlite_with_rowid=False,
)
Index("ix_manifest_link_target", manifest_link.c.target)

#: That a repository holds a manifest, and what it is there. A row with `time_deleted` is not served.
#: `settle_at`: when a manifest that was pushed by digest alone becomes an image, unless an index takes it in.
repository_manifest = Table(
    "repository_manifest",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    *owned(resource=False),
    Column("media_type", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("is_runnable", Boolean, nullable=False),
    Column("nesting", Integer, nullable=False),
    Column("artifact_type", Text, nullable=False),
    Column("subject", Text),
    Column("annotations", Json),
    Column("pushed_by", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    Column("time_last_pushed", BigInteger, nullable=False),
    Column("time_deleted", BigInteger),
    Column("settle_at", BigInteger),
    sqlite_with_rowid=False,
)
Index("ix_repository_manifest_digest", repository_manifest.c.digest)
Index(
    "ix_repository_manifest_subject",
    repository_manifest.c.repository,
    repository_manifest.c.subject,
    repository_manifest.c.digest,
    sqlite_where=text("subject IS NOT NULL"),
    postgresql_where=text("subject IS NOT NULL"),
)
Index(
    "ix_repository_manifest_settle_at",
    repository_manifest.c.settle_at,
    sqlite_where=text("settle_at IS NOT NULL"),
    postgresql_where=text("settle_at IS NOT NULL"),
)
Index(
    "ix_repository_manifest_time_deleted",
    repository_manifest.c.time_deleted,
    sqlite_where=text("time_deleted IS NOT NULL"),
    postgresql_where=text("time_deleted IS NOT NULL"),
)

tag = Table(
    "tag",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("name", Ascii, primary_key=True),
    *owned(resource=False),
    Column("digest", Text, nullable=False),
    Column("moved_by", Text, nullable=False),
    Column("time_moved", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_tag_latest", tag.c.repository, tag.c.digest, tag.c.time_moved, tag.c.name)
Index("ix_tag_tenancy_name", tag.c.tenancy, tag.c.name)

#: Every move of every tag, the present one included; `digest` is NULL where it was removed.
tag_move = Table(
    "tag_move",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    *owned(resource=False),
    Column("repository", Text, nullable=False),
    Column("tag", Ascii, nullable=False),
    Column("digest", Text),
    Column("moved_by", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
)
Index("ix_tag_move_repository_tag_id", tag_move.c.repository, tag_move.c.tag, tag_move.c.id)

#: One row a push of a digest in its own right; at most one available row for a digest in a repository.
image = Table(
    "image",
    metadata,
    *owned(),
    Column("repository", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("time_last_pushed", BigInteger, nullable=False),
    Column("last_version", Text, nullable=False, default=""),
    Column("manifest_bytes", Integer, nullable=False),
    Column("layers_bytes", BigInteger, nullable=False),
    Column("pull_count", BigInteger, nullable=False, default=0),
    Column("time_last_pulled", BigInteger),
    #: When it last lost a tag.
    Column("time_untagged", BigInteger),
)
Index(
    "uq_image_repository_digest",
    image.c.repository,
    image.c.digest,
    unique=True,
    sqlite_where=text("lifecycle_state = 'AVAILABLE'"),
    postgresql_where=text("lifecycle_state = 'AVAILABLE'"),
)
Index(
    "ix_image_time_deleted",
    image.c.time_deleted,
    sqlite_where=text("time_deleted IS NOT NULL"),
    postgresql_where=text("time_deleted IS NOT NULL"),
)
Index("ix_image_repository_digest", image.c.repository, image.c.digest)
Index("ix_image_repository_time_last_pushed", image.c.repository, image.c.time_last_pushed, image.c.ocid)
Index("ix_image_repository_listed", image.c.repository, image.c.lifecycle_state, image.c.time_created, image.c.ocid)
Index("ix_image_tenancy_listed", image.c.tenancy, image.c.lifecycle_state, image.c.time_created, image.c.ocid)

upload = Table(
    "upload",
    metadata,
    Column("id", Text, primary_key=True),
    *owned(resource=False),
    Column("repository", Text, nullable=False),
    Column("acknowledged", BigInteger, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    Column("time_expires", BigInteger, nullable=False, index=True),
    Column("mark", Text, nullable=False, server_default=""),
)
Index("ix_upload_tenancy", upload.c.tenancy)

#: What goes by itself from the repositories of a compartment, and of those below it, whose names fit a pattern.
retention_policy = Table(
    "retention_policy",
    metadata,
    *owned(),
    Column("display_name", Text, nullable=False),
    Column("repositories", Text, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("rules", Json, nullable=False),
)

#: How much may lie in a place (the OCID of a compartment, of the tenancy, or of a repository); NULL for no limit.
container_quota = Table(
    "container_quota",
    metadata,
    Column("place", Text, primary_key=True),
    *owned(resource=False),
    Column("bytes_max", BigInteger),
    Column("repositories_max", Integer),
    Column("etag", Text, nullable=False),
    Column("time_updated", BigInteger, nullable=False),
)
