"""Verbs of the Identity service: tenancies, compartments, users, groups, policies, and the services that act."""

from assay.iam.identity import compartments, first_start, groups, policies, services, tenancies, users

__all__ = ["compartments", "first_start", "groups", "policies", "services", "tenancies", "users"]
