"""Every address of the console and the functions behind it, in the order in which they are tried."""

from starlette.convertors import StringConvertor, register_url_convertor

from assay.console import (
    access,
    account,
    advisory_feeds,
    clusters,
    credentials,
    decisions,
    functions,
    images,
    jobs,
    keeping,
    keys,
    overview,
    people,
    repositories,
    scans,
    search,
    sign_in,
    signatures,
    trail,
)
from assay.console.gate import Place


class _DigestConvertor(StringConvertor):
    """A part of an address that is a digest: it has a colon, as no other word after `/-/` has."""

    regex = "[^/:]+:[^/]+"


register_url_convertor("digest", _DigestConvertor())

_IMAGE = "/r/{name:path}/-/{digest:digest}"
_TAG = "/r/{name:path}/-/t/{tag}"

#: `-` alone is no component of a repository name, so `/-/` ends the name.
PLACES = (
    Place("/sign-in", sign_in.show, sign_in.act, is_open=True),
    Place("/sign-in/password", sign_in.show_password, sign_in.change_password, is_open=True),
    Place("/sign-out", sign_in.show, sign_in.sign_out),
    Place("/", overview.show, rail="/"),
    Place("/me", account.show, account.change),
    Place("/search", search.show),
    Place("/r", repositories.show_list, rail="/r", exports="/r"),
    Place("/r/{name:path}/-/access", access.show_repository, rail="/r"),
    Place("/r/{name:path}/-/scanner", repositories.show_scanner, repositories.change_scanner, rail="/r"),
    Place("/r/{name:path}/-/retention", keeping.show, keeping.change, rail="/r"),
    Place("/r/{name:path}/-/settings", keeping.show_settings, keeping.change_settings, rail="/r"),
    Place(f"{_TAG}/sign", signatures.show_form, signatures.make, rail="/r"),
    Place(_TAG, images.show, rail="/r", exports=f"{_TAG}/problems"),
    Place(f"{_IMAGE}/packages", images.show_packages, rail="/r", exports=f"{_IMAGE}/packages"),
    Place(f"{_IMAGE}/signatures", signatures.show, signatures.change, rail="/r"),
    Place(f"{_IMAGE}/sign", signatures.show_form, signatures.make, rail="/r"),
    Place(f"{_IMAGE}/scans", scans.show_list, rail="/r", exports=f"{_IMAGE}/scans"),
    Place(f"{_IMAGE}/scans/{{scan}}", scans.show, scans.review, rail="/r", exports=f"{_IMAGE}/scans/{{scan}}"),
    Place(f"{_IMAGE}/why/{{problem}}", scans.show_why, rail="/r"),
    Place(f"{_IMAGE}/compare", scans.show_difference, rail="/r", exports=f"{_IMAGE}/compare"),
    Place(f"{_IMAGE}/decisions", images.show_decisions, rail="/r"),
    Place(_IMAGE, images.show, rail="/r", exports=f"{_IMAGE}/problems"),
    Place("/r/{name:path}", repositories.show, rail="/r", exports="/r/{name:path}/-/images"),
    Place("/functions", functions.show_list, functions.make, rail="/functions"),
    Place("/functions/{application}", functions.show, functions.change, rail="/functions"),
    Place("/feeds", advisory_feeds.show, advisory_feeds.refresh, rail="/feeds", exports="/feeds"),
    Place("/vaults", keys.show_vaults, keys.make_vault, rail="/vaults"),
    Place("/vaults/{vault}", keys.show_vault, keys.make_key, rail="/vaults"),
    Place("/k/{key}.pub", keys.public_key, rail="/vaults"),
    Place("/k/{key}", keys.show_key, keys.change_key, rail="/vaults"),
    Place("/c", clusters.show_list, clusters.make, rail="/c"),
    Place("/c/{cluster}/webhooks.yaml", clusters.webhooks, rail="/c"),
    Place("/c/{cluster}", clusters.show, clusters.change, rail="/c"),
    Place("/d", decisions.show_list, rail="/d", exports="/d"),
    Place("/d/{number}", decisions.show, rail="/d"),
    Place("/iam", people.show_policies, people.make_policy, rail="/iam"),
    Place("/iam/policies/{policy}", people.show_policy, people.change_policy, rail="/iam"),
    Place("/iam/users", people.show_users, people.make_user, rail="/iam"),
    Place("/iam/users/{user}", credentials.show_user, credentials.change_user, rail="/iam"),
    Place("/iam/groups", people.show_groups, people.change_groups, rail="/iam"),
    Place("/iam/dynamic-groups", access.show_dynamic_groups, access.change_dynamic_groups, rail="/iam"),
    Place("/iam/compartments", access.show_compartments, access.change_compartments, rail="/iam"),
    Place("/jobs", jobs.show, rail="/jobs"),
    Place("/audit", trail.show, rail="/audit", exports="/audit"),
)
