"""Tables of vaults, master encryption keys, their versions, and what tells the right root key from a wrong one."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from assay.storage import metadata, owned

vault = Table(
    "vault",
    metadata,
    *owned(),
    Column("display_name", Text, nullable=False),
    Column("vault_type", Text, nullable=False),
    Column("extension", Text, nullable=False, unique=True),
    Column("time_of_deletion", BigInteger),
)

#: `state_before` is where a cancelled deletion returns to.
master_key = Table(
    "master_key",
    metadata,
    *owned(),
    Column("vault", Text, ForeignKey("vault.ocid"), nullable=False, index=True),
    Column("display_name", Text, nullable=False),
    Column("protection_mode", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("length_bytes", Integer, nullable=False),
    Column("curve", Text),
    Column("current_version", Text, nullable=False),
    Column("state_before", Text),
    Column("time_of_deletion", BigInteger),
)

#: The public half outlives the key, so that old denials can be explained; destroying it empties the sealed columns.
key_version = Table(
    "key_version",
    metadata,
    *owned(),
    Column("vault", Text, ForeignKey("vault.ocid"), nullable=False),
    Column("key", Text, ForeignKey("master_key.ocid"), nullable=False, index=True),
    Column("origin", Text, nullable=False),
    Column("public_pem", Text, nullable=False),
    Column("proof", LargeBinary, nullable=False),
    Column("wrapped_data_key", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("format_version", Integer, nullable=False),
    Column("state_before", Text),
    Column("time_of_deletion", BigInteger),
)

for _table in (vault, master_key, key_version):
    Index(f"ix_{_table.name}_time_of_deletion", _table.c.time_of_deletion)

#: One row: which root key this installation has, and a known text wrapped under it.
root_key = Table(
    "root_key",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("scrypt_n", Integer, nullable=False),
    Column("scrypt_r", Integer, nullable=False),
    Column("scrypt_p", Integer, nullable=False),
    Column("wrapped_check", LargeBinary, nullable=False),
    Column("time_created", BigInteger, nullable=False),
)
