"""How a denial tells that a key is out of use, and who can do what about it. Pure; times are UTC.

Source of the texts: the console's design, section 9 ("Words").
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.clock import Instant, moment
from assay.vault.crypto import Distrust, Holder
from assay.vault.shapes import KeyState


@dataclass(frozen=True, slots=True)
class KeyOutOfUse:
    """The state of a signature's key that keeps it from counting; `version` is its number among the key's, from 1."""

    distrust: Distrust
    version: int

    def __str__(self) -> str:
        """For people: `release version 1, to be deleted 14 May`."""
        if self.distrust.holder is Holder.VAULT:
            return f"{self.distrust.key_name}, whose vault is {self._state}"
        return f"{self._name}, {self._state}"

    @property
    def is_whole_key(self) -> bool:
        """Whether no version of the key counts."""
        return self.distrust.holder is not Holder.VERSION

    def fix(self, trustee: str, kind: str, others: Sequence[str]) -> str:
        """Who can do what, where `trustee`, a `kind`, trusts the keys `others` besides."""
        undo = self._undo
        if others:
            sign = f"whoever may use a key that {trustee} trusts ({', '.join(others)}) can sign it again"
        else:
            sign = f"whoever administers the {kind} can add another key to its policy, to sign the image with"
        return f"{undo}, or {sign}" if undo else f"{sign[:1].upper()}{sign[1:]}"

    @property
    def _name(self) -> str:
        name = self.distrust.key_name
        return name if self.is_whole_key else f"{name} version {self.version}"

    @property
    def _state(self) -> str:
        if self.distrust.state == KeyState.PENDING_DELETION:
            until = self.distrust.time_of_deletion
            return "to be deleted" if until is None else f"to be deleted {_day(until)}"
        return self.distrust.state.lower()

    @property
    def _undo(self) -> str:
        """Who can put it in use again; empty where nobody can."""
        if self.distrust.state == KeyState.DISABLED:
            return f"Whoever manages the key {self._name} can enable it"
        if self.distrust.state != KeyState.PENDING_DELETION:
            return ""
        of = "the vault of the key" if self.distrust.holder is Holder.VAULT else "the key"
        return f"Whoever manages {of} {self._name} can cancel its deletion"


def _day(at: Instant) -> str:
    then = moment(at)
    return f"{then.day} {then:%b}"
