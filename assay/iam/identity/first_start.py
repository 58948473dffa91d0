"""The first start: a tenancy, its administrators, the policy that lets them do everything, and the first of them."""

from dataclasses import dataclass

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.iam import hashing
from assay.iam.actor import Actor, Principal, PrincipalKind
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target
from assay.iam.identity import policies, tenancies
from assay.iam.identity.targets import known
from assay.iam.records import compartments, identities
from assay.iam.resources import Tags, Tenancy, User, require_description, require_name
from assay.secret import Secret
from assay.storage import Store

ADMINISTRATORS = "Administrators"
ADMINISTRATORS_STATEMENT = f"allow group {ADMINISTRATORS} to manage all-resources in tenancy"
ADMINISTRATORS_POLICY = "Tenant Admin Policy"


@dataclass(frozen=True, slots=True)
class FirstStart:
    """A new tenancy and its first administrator, whose one-time password is `secret`.

    The caller shows it once on a terminal, or leaves it in a file that only its owner can read.
    """

    tenancy: Tenancy
    administrator: User
    secret: Secret


def bootstrap(store: Store, *, tenancy: str = "assay", administrator: str = "admin") -> FirstStart | None:
    """Make the installation's first tenancy; None when there is one. Of several starting at once, one makes it."""
    with store.database.read() as connection:
        if compartments.tenancies(connection):
            return None
    try:
        return create_tenancy(store, tenancy, administrator=administrator)
    except Refused as refusal:
        if refusal.reason is Reason.EXISTS:
            return None
        raise


def create_tenancy(store: Store, name: str, description: str = "", *, administrator: str = "admin") -> FirstStart:
    """A new tenancy; for the operator of the installation alone, never behind a door.

    Its region is the site's. The administrator must change the password at the first sign-in. Errors: Refused (EXISTS).
    """
    require_name(name, "tenancy")
    require_name(administrator, "user")
    require_description(description)
    ocid = store.site.new_ocid("tenancy", regional=False).text
    secret = Secret.random()
    password_hash = hashing.hash_of(secret)
    installation = Actor(Principal(PrincipalKind.INSTALLATION, "installation"), ocid)

    def change(act: Act) -> FirstStart:
        made = _tenancy(store, act, ocid, name, description)
        user = _administrator(store, act, made, administrator, password_hash)
        policy = store.site.new_ocid("policy", regional=False).text
        policies.built_in(
            act,
            policy,
            ocid,
            ADMINISTRATORS_POLICY,
            (ADMINISTRATORS_STATEMENT,),
            "Lets the administrators do everything.",
        )
        return FirstStart(made, user, secret)

    def locate(_connection: Connection) -> Target:
        return Target(ocid, ocid)

    return perform(store, installation, "CreateTenancy", locate=locate, change=change)


def _tenancy(store: Store, act: Act, ocid: str, name: str, description: str) -> Tenancy:
    administrators = store.site.new_ocid("group", regional=False).text
    written = compartments.insert_tenancy(
        act.connection,
        ocid,
        act.now,
        name=name,
        description=description,
        namespace=tenancies.new_namespace(),
        home_region=store.site.region,
        administrators=administrators,
    )
    if not written:
        raise Refused(f"A tenancy named {name!r} is there already.", advice="Use another name.", reason=Reason.EXISTS)
    identities.insert_group(act.connection, administrators, ocid, ADMINISTRATORS, "May do everything.", Tags(), act.now)
    return known(compartments.tenancy_of(act.connection, ocid))


def _administrator(store: Store, act: Act, tenancy: Tenancy, name: str, password_hash: str) -> User:
    ocid = store.site.new_ocid("user", regional=False).text
    membership = store.site.new_ocid("groupmembership", regional=False).text
    identities.insert_user(
        act.connection,
        ocid,
        tenancy.ocid,
        name,
        Tags(),
        act.now,
        description="The first administrator.",
        email="",
        password_hash=password_hash,
        time_password_set=act.now,
    )
    identities.insert_membership(act.connection, membership, tenancy.ocid, ocid, tenancy.administrators, act.now)
    return known(identities.get_user(act.connection, tenancy.ocid, ocid))
