"""Tables of image signatures, of the envelopes that each consists of, and of signatures that users pushed."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from assay.storage import metadata, owned

#: The native record. `origin` says whether Assay made it or somebody uploaded it; `reference` is the image name that
#: its cosign payload says, empty when it has none.
image_signature = Table(
    "image_signature",
    metadata,
    *owned(),
    Column("repository", Text, nullable=False),
    Column("repository_name", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("key_version", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)
Index("ix_image_signature_repository_digest", image_signature.c.repository, image_signature.c.digest)
Index("ix_image_signature_image", image_signature.c.image)
Index("ix_image_signature_key", image_signature.c.key)

#: Everything that one act of signing signed: for each subject (the image and, of an index, every child) one row a form.
#: `payload` is what the envelope holds; the exact bytes are kept, so that publishing needs no key.
signature_envelope = Table(
    "signature_envelope",
    metadata,
    Column("image_signature", Text, ForeignKey("image_signature.ocid"), primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("form", Text, primary_key=True),
    *owned(resource=False),
    Column("repository", Text, nullable=False),
    Column("subject_media_type", Text, nullable=False),
    Column("subject_bytes", Integer, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)
Index("ix_signature_envelope_repository_subject", signature_envelope.c.repository, signature_envelope.c.subject)

#: What users pushed under a signature tag or as a bundle, read once when it came. `key_version` is the version of one
#: of the tenancy's keys that made it.
pushed_signature = Table(
    "pushed_signature",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("manifest", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    *owned(resource=False),
    Column("subject", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("key_version", Text, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("time_created", BigInteger, nullable=False),
)
Index("ix_pushed_signature_repository_subject", pushed_signature.c.repository, pushed_signature.c.subject)
