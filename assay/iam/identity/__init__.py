"""Verbs of the Identity service: tenancies, compartments, users, groups, policies, and the services that act.

`resources` holds the values that they take and give back; `trail` reads the audit log; `why` says which statements
decide.
"""

from assay.iam import resources
from assay.iam.identity import (
    compartments,
    dynamic_groups,
    first_start,
    groups,
    network_sources,
    policies,
    services,
    tenancies,
    trail,
    users,
    why,
)

__all__ = [
    "compartments",
    "dynamic_groups",
    "first_start",
    "groups",
    "network_sources",
    "policies",
    "resources",
    "services",
    "tenancies",
    "trail",
    "users",
    "why",
]
