"""The IAM room's tables. Nobody else reads them.

Names are unique without regard to case, hence the `name_key` beside each name. A deleted compartment, user, group or
policy keeps its row, and its name is free again; memberships and credentials go for good, so that no hash is left.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from assay.storage import Json, metadata, owned

_NOT_DELETED = text("lifecycle_state <> 'DELETED'")

#: A tenancy; its root compartment has the same OCID. `namespace` is what stands before repository names.
tenancy = Table(
    "tenancy",
    metadata,
    *owned(),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("namespace", Text, nullable=False, unique=True),
    Column("home_region", Text, nullable=False),
    Column("administrators", Text, nullable=False),
)

#: A compartment; `compartment` is its parent (the root's own OCID for the root).
#: `path` is the OCIDs from the root down to itself, each followed by '/'.
compartment = Table(
    "compartment",
    metadata,
    *owned(),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("path", Text, nullable=False, index=True),
)
Index(
    "uq_compartment_name",
    compartment.c.compartment,
    compartment.c.name_key,
    unique=True,
    sqlite_where=_NOT_DELETED,
    postgresql_where=_NOT_DELETED,
)

user = Table(
    "iam_user",
    metadata,
    *owned(),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("inactive_status", Integer),
    Column("password_hash", Text),
    Column("must_change_password", Boolean, nullable=False),
    Column("time_password_set", BigInteger),
    Column("time_last_sign_in", BigInteger),
)

group = Table(
    "iam_group",
    metadata,
    *owned(),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("description", Text, nullable=False),
)

#: Resources that act, by what they are: `matching_rule` says which are in it.
dynamic_group = Table(
    "dynamic_group",
    metadata,
    *owned(),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("matching_rule", Text, nullable=False),
)

#: Addresses from which requests come, by name; `networks` in CIDR notation.
network_source = Table(
    "network_source",
    metadata,
    *owned(),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("networks", Json, nullable=False),
)

policy = Table(
    "policy",
    metadata,
    *owned(),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("version_date", Text, nullable=False),
    Column("statements", Json, nullable=False),
    Column("is_built_in", Boolean, nullable=False),
)

for _named in (user, group, dynamic_group, network_source):
    Index(
        f"uq_{_named.name}_name",
        _named.c.tenancy,
        _named.c.name_key,
        unique=True,
        sqlite_where=_NOT_DELETED,
        postgresql_where=_NOT_DELETED,
    )
Index(
    "uq_policy_name",
    policy.c.tenancy,
    policy.c.compartment,
    policy.c.name_key,
    unique=True,
    sqlite_where=_NOT_DELETED,
    postgresql_where=_NOT_DELETED,
)

membership = Table(
    "group_membership",
    metadata,
    *owned(),
    Column("user", Text, ForeignKey("iam_user.ocid"), nullable=False),
    Column("group", Text, ForeignKey("iam_group.ocid"), nullable=False, index=True),
    UniqueConstraint("user", "group"),
)

#: Statements in force, bound to OCIDs. `compartment` is where the policy is attached.
policy_statement = Table(
    "policy_statement",
    metadata,
    Column("policy", Text, ForeignKey("policy.ocid"), primary_key=True),
    Column("position", Integer, primary_key=True),
    *owned(resource=False),
    Column("text", Text, nullable=False),
    Column("bound", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: By whom and for which resource type a statement is to be found: one row for each pair. `*` is every type.
policy_grant = Table(
    "policy_grant",
    metadata,
    *owned(resource=False),
    Column("subject", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("policy", Text, nullable=False, index=True),
    Column("position", Integer, nullable=False),
)
Index(
    "ix_policy_grant_found",
    policy_grant.c.tenancy,
    policy_grant.c.subject,
    policy_grant.c.resource_type,
    policy_grant.c.policy,
    policy_grant.c.position,
)

#: `docker login` passwords: only a digest is kept.
auth_token = Table(
    "auth_token",
    metadata,
    *owned(),
    Column("user", Text, ForeignKey("iam_user.ocid"), nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("token_digest", Text, nullable=False, unique=True),
    Column("time_expires", BigInteger),
)

#: What a cluster presents to admission: only a digest is kept. The cluster's row lives in the admission room.
cluster_token = Table(
    "cluster_token",
    metadata,
    *owned(),
    Column("cluster", Text, nullable=False, index=True),
    Column("cluster_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("token_digest", Text, nullable=False, unique=True),
    Column("time_expires", BigInteger),
)

#: Signed-in people. `time_expires` is the end whatever happens, `time_idle_out` moves with use.
session = Table(
    "session",
    metadata,
    *owned(resource=False),
    Column("token_digest", Text, primary_key=True),
    Column("user", Text, ForeignKey("iam_user.ocid"), nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    Column("time_expires", BigInteger, nullable=False, index=True),
    Column("time_idle_out", BigInteger, nullable=False),
)

#: Failed sign-ins by what they are counted by; belongs to the installation, for a name need not exist anywhere.
sign_in_failure = Table(
    "sign_in_failure",
    metadata,
    Column("counted_by", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("time_last", BigInteger, nullable=False, index=True),
    Column("locked_until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
