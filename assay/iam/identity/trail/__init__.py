"""The audit log after it is written.

`entries` reads and searches it, `sealing` chains it by the rule of `chain` and checks it, `exports` writes it for other
programs, `retention` says how long it is kept, `denials` takes what the doors refuse.
"""

from assay.iam.identity.trail import chain, denials, entries, exports, retention, sealing

__all__ = ["chain", "denials", "entries", "exports", "retention", "sealing"]
