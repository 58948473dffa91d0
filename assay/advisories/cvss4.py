"""CVSS 4.0 base scores (CVSS-B). Pure.

Source: first.org, "CVSS v4.0 Specification", section 8: a vector belongs to a *macro vector* of six equivalence classes
that has a score by table; within it, the score falls with the distance from the worst vector of the macro vector, in
each class in proportion to what the next lower macro vector would take off. For base scores the threat and
environmental metrics have their defaults (E:A, CR:H, IR:H, AR:H), so class 4 is never 0 and class 5 is always 0.
"""

from collections.abc import Mapping, Sequence

_LEVELS = {
    "AV": "NALP",
    "PR": "NLH",
    "UI": "NPA",
    "AC": "LH",
    "AT": "NP",
    "VC": "HLN",
    "VI": "HLN",
    "VA": "HLN",
    "SC": "HLN",
    "SI": "HLN",
    "SA": "HLN",
}

#: Scores of the macro vectors that matter here. A row: classes 1 and 2; columns: classes 3 and 6 (00, 01, 10, 11, 21),
#: for each of them class 4 (1, 2); each pair: class 5 = 0 / class 5 = 1.
_SCORES = """
00  10.0/9.3 9.3/8.9 9.6/8.7 9.0/8.0 9.3/8.9 8.8/7.8 9.2/8.1 8.0/7.0 7.9/6.9 6.9/5.5
01  9.5/9.0 9.2/8.2 9.1/8.3 8.1/7.1 9.2/8.0 8.4/7.1 8.2/7.2 7.0/5.2 7.1/5.2 6.3/2.9
10  9.4/8.6 8.7/7.4 8.9/7.4 7.5/6.3 8.6/7.4 7.2/5.7 7.6/5.8 5.7/5.2 6.5/5.8 5.3/2.1
11  9.0/7.5 7.7/6.8 7.7/6.2 6.6/5.9 7.4/5.7 6.1/5.7 5.9/5.7 5.2/2.9 5.8/2.6 2.3/1.3
20  8.6/7.4 7.0/5.2 7.4/6.1 5.4/4.0 7.2/5.5 5.3/3.4 5.7/4.1 3.6/1.9 4.7/2.1 2.4/0.9
21  7.3/5.9 5.4/4.5 5.5/4.0 4.3/2.2 6.1/4.8 4.6/1.7 5.1/1.8 1.8/0.7 2.4/1.2 1.0/0.3
"""


def _table() -> dict[str, float]:
    scores = {}
    for line in _SCORES.split("\n")[1:-1]:
        row, *cells = line.split()
        places = [(both, four) for both in ("00", "01", "10", "11", "21") for four in "12"]
        for (both, four), cell in zip(places, cells, strict=True):
            for five, score in zip("01", cell.split("/"), strict=True):
                scores[f"{row}{both[0]}{four}{five}{both[1]}"] = float(score)
    return scores


_SCORE_OF = _table()

#: The worst vectors of each class at each level: how far each metric stands from its own worst value there.
_EXPLOITABILITY = ("AV", "PR", "UI")
_COMPLEXITY = ("AC", "AT")
_VULNERABLE = ("VC", "VI", "VA")
_SUBSEQUENT = ("SC", "SI", "SA")
_WORST: tuple[tuple[Sequence[str], dict[str, Sequence[tuple[int, ...]]]], ...] = (
    (_EXPLOITABILITY, {"0": [(0, 0, 0)], "1": [(1, 0, 0), (0, 1, 0), (0, 0, 1)], "2": [(3, 0, 0), (1, 1, 1)]}),
    (_COMPLEXITY, {"0": [(0, 0)], "1": [(1, 0), (0, 1)]}),
    (_VULNERABLE, {"00": [(0, 0, 0)], "10": [(1, 0, 0), (0, 1, 0)], "21": [(1, 1, 1)]}),
    (_SUBSEQUENT, {"1": [(0, 0, 0)], "2": [(1, 1, 1)]}),
)
#: How many steps lie between the worst and the mildest vector of a class at a level.
_DEPTHS: tuple[dict[str, int], ...] = (
    {"0": 1, "1": 4, "2": 5},
    {"0": 1, "1": 2},
    {"00": 7, "10": 8, "21": 10},
    {"1": 5, "2": 4},
)


def base_score(metrics: Mapping[str, str]) -> float:
    """The base score of the metrics of a vector. Errors: KeyError when one is missing or has a foreign value."""
    level = {name: _level(name, metrics[name]) for name in _LEVELS}
    if all(level[name] == 2 for name in (*_VULNERABLE, *_SUBSEQUENT)):
        return 0.0
    classes = _classes(level)
    score = _SCORE_OF[_macro(classes)]
    reductions = [0.0] if _macro(classes, five="1") in _SCORE_OF else []
    for place, (names, worst) in enumerate(_WORST):
        lower = _next_lower(classes, place)
        if lower is not None:
            distance = _distance([level[name] for name in names], worst[classes[place]])
            reductions.append((score - lower) * distance / _DEPTHS[place][classes[place]])
    if reductions:
        score -= sum(reductions) / len(reductions)
    return int(max(0.0, min(score, 10.0)) * 10 + 0.5 + 1e-6) / 10


def _level(name: str, value: str) -> int:
    if len(value) != 1 or value not in _LEVELS[name]:
        raise KeyError(name)
    return _LEVELS[name].index(value)


def _classes(level: Mapping[str, int]) -> list[str]:
    """Levels of class 1, class 2, classes 3 and 6 together, class 4."""
    open_doors = [level[name] == 0 for name in _EXPLOITABILITY]
    first = "0" if all(open_doors) else "1" if any(open_doors) and level["AV"] != 3 else "2"
    second = "0" if level["AC"] == 0 and level["AT"] == 0 else "1"
    if level["VC"] == 0 and level["VI"] == 0:
        third = "00"
    else:
        third = "10" if 0 in (level["VC"], level["VI"], level["VA"]) else "21"
    fourth = "1" if 0 in (level["SC"], level["SI"], level["SA"]) else "2"
    return [first, second, third, fourth]


def _macro(classes: Sequence[str], five: str = "0") -> str:
    first, second, third, fourth = classes
    return f"{first}{second}{third[0]}{fourth}{five}{third[1]}"


def _next_lower(classes: list[str], place: int) -> float | None:
    """The score of the macro vector one step down in one class; None where there is none."""
    steps = {"00": ("01", "10"), "10": ("11",), "21": ()}.get(classes[place]) if place == 2 else None
    if steps is None:
        steps = (str(int(classes[place]) + 1),)
    lower = [_SCORE_OF.get(_macro([*classes[:place], step, *classes[place + 1 :]])) for step in steps]
    return max((score for score in lower if score is not None), default=None)


def _distance(levels: Sequence[int], worst: Sequence[tuple[int, ...]]) -> int:
    """Steps from the first of the worst vectors that is in no metric milder than these levels (there always is one)."""
    steps = ([mine - its for mine, its in zip(levels, vector, strict=True)] for vector in worst)
    return next(sum(each) for each in steps if min(each) >= 0)
