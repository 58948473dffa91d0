"""The signed-in user at one server, with what nearly every command needs: compartments, and lists over all of them."""

from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.cli.connection import Connection, Profile, load_profile, profile_path
from assay.errors import Reason, Refused
from assay.secret import Secret

#: The profile of this process: `assay --profile FILE` sets it before any command runs.
PROFILE_FILE: ContextVar[Path | None] = ContextVar("profile_file", default=None)

COMPARTMENTS = "/20160918/compartments"


def profile_file() -> Path:
    """The file that holds the present profile."""
    return PROFILE_FILE.get() or profile_path()


@dataclass(frozen=True)
class Session:
    """Who is signed in, and the connection that says so."""

    profile: Profile
    server: Connection

    @cached_property
    def _below(self) -> list[dict[str, Any]]:
        return self.server.everything(
            COMPARTMENTS, compartmentId=self.profile.tenancy, compartmentIdInSubtree=True, lifecycleState="ACTIVE"
        )

    def compartment(self, named: str) -> str:
        """The OCID of a compartment that was named by name or OCID; the root compartment for an empty text.

        Errors: Refused when there is none of that name, or more than one.
        """
        if not named or named == "root":
            return self.profile.tenancy
        if named.startswith("ocid1."):
            return named
        found = [each["id"] for each in self._below if each["name"] == named]
        return str(only(found, "compartment", named))

    def everywhere(self, path: str, place: str, **query: Any) -> list[dict[str, Any]]:
        """A list whose API looks into one compartment, for `place` or, when that is empty, for all compartments.

        Of all, those in which the user may not list are left out. Errors: Refused when that is every one of them.
        """
        if place:
            return self.server.everything(path, compartmentId=self.compartment(place), **query)
        rows: list[dict[str, Any]] = []
        refusals: list[Refused] = []
        places = self._places()
        for compartment in places:
            try:
                rows += self.server.everything(path, compartmentId=compartment, **query)
            except Refused as refusal:
                if refusal.reason is not Reason.NOT_FOUND:
                    raise
                refusals.append(refusal)
        if len(refusals) == len(places):
            raise refusals[0]
        return rows

    def within(self, place: str) -> dict[str, Any]:
        """The query of a list whose API can look below a compartment: `place`, or everything when that is empty."""
        return {"compartmentId": self.compartment(place), "compartmentIdInSubtree": not place}

    def _places(self) -> list[str]:
        try:
            below = [str(each["id"]) for each in self._below]
        except Refused as refusal:
            if refusal.reason is not Reason.NOT_FOUND:
                raise
            below = []
        return [self.profile.tenancy, *below]


def signed_in() -> Session:
    """The session of the profile. Errors: Refused when nobody is signed in."""
    profile = load_profile(profile_file())
    return Session(profile, Connection(profile.server, Secret(profile.token)))


def only(found: list[Any], what: str, named: str, *, listing: str = "") -> Any:
    """The one thing that a name found. `listing`: the command that lists such things, if it isn't the kind's own.

    Errors: Refused when it found none, or several.
    """
    if not found:
        raise Refused(
            f"There is no {what} {named!r}, or you may not see it.",
            advice=f"List what there is with: assay {listing or f'{what} list'}",
            reason=Reason.NOT_FOUND,
        )
    if len(found) > 1:
        raise Refused(f"{len(found)} things answer to the {what} {named!r}.", advice="Give the OCID.")
    return found[0]
