"""CVSS base scores from vectors: versions 2, 3.0 and 3.1. Pure; metrics other than the base metrics are not counted.

Sources: first.org, "CVSS v2 Complete Documentation" section 3.2.1; "CVSS v3.0 Specification" section 8.1;
"CVSS v3.1 Specification" sections 7.1 and appendix A (Roundup).
"""

import math
from collections.abc import Mapping
from functools import lru_cache

from assay.advisories import cvss4

VECTOR_LENGTH_MAX = 300

_V2 = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": {"N": 0.0, "P": 0.275, "C": 0.66},
    "I": {"N": 0.0, "P": 0.275, "C": 0.66},
    "A": {"N": 0.0, "P": 0.275, "C": 0.66},
}
_IMPACT = {"N": 0.0, "L": 0.22, "H": 0.56}
_V3 = {
    "AV": {"P": 0.2, "L": 0.55, "A": 0.62, "N": 0.85},
    "AC": {"H": 0.44, "L": 0.77},
    "PR": {"H": 0.27, "L": 0.62, "N": 0.85},
    "UI": {"R": 0.62, "N": 0.85},
    "C": _IMPACT,
    "I": _IMPACT,
    "A": _IMPACT,
}
_V3_PRIVILEGES_SCOPE_CHANGED = {"H": 0.5, "L": 0.68, "N": 0.85}


@lru_cache(maxsize=20_000)
def base_score(vector: str) -> float | None:
    """The base score, 0.0 to 10.0, of a vector of any version; None for what is no complete vector."""
    if len(vector) > VECTOR_LENGTH_MAX:
        return None
    prefix, _, rest = vector.partition("/")
    metrics = dict(part.partition(":")[::2] for part in (rest if prefix.startswith("CVSS:") else vector).split("/"))
    try:
        if prefix == "CVSS:4.0":
            return cvss4.base_score(metrics)
        if prefix in ("CVSS:3.0", "CVSS:3.1"):
            return _score_v3(metrics, exact_roundup=prefix == "CVSS:3.0")
        return None if prefix.startswith("CVSS:") else _score_v2(metrics)
    except KeyError:
        return None


def _score_v2(metrics: Mapping[str, str]) -> float:
    weight = {name: weights[metrics[name]] for name, weights in _V2.items()}
    impact = 10.41 * (1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"]))
    exploitability = 20 * weight["AV"] * weight["AC"] * weight["Au"]
    score = (0.6 * impact + 0.4 * exploitability - 1.5) * (1.176 if impact else 0.0)
    return math.floor(score * 10 + 0.5) / 10


def _score_v3(metrics: Mapping[str, str], *, exact_roundup: bool) -> float:
    weight = {name: weights[metrics[name]] for name, weights in _V3.items()}
    changed = {"U": False, "C": True}[metrics["S"]]
    base = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    if changed:
        weight["PR"] = _V3_PRIVILEGES_SCOPE_CHANGED[metrics["PR"]]
        impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15
    else:
        impact = 6.42 * base
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * weight["PR"] * weight["UI"]
    score = min((impact + exploitability) * (1.08 if changed else 1.0), 10.0)
    return _roundup_30(score) if exact_roundup else _roundup_31(score)


def _roundup_30(score: float) -> float:
    """The smallest number with one decimal that is not below the score (3.0: the error of the sum counts)."""
    return math.ceil(score * 10) / 10


def _roundup_31(score: float) -> float:
    """Roundup of 3.1, appendix A: the same on integers, so that the error of the sum does not count."""
    scaled = round(score * 100_000)
    return scaled / 100_000 if scaled % 10_000 == 0 else (scaled // 10_000 + 1) / 10
