"""The parser of OCI's policy language (oci-api 4.5): text to a frozen tree, or the word at which it goes wrong.

    allow <subject> to <verb | {PERMISSION, …}> [<resource-type>] in <location> [where <condition>]

`check` gives the statement or the fault, `check_written` also for a value that a variable never has, as one who writes
a statement should be told; `parse` gives the statement or raises Refused. Names of groups and
compartments are not looked up here: `binding` does that, with the tenancy at hand. Statements about several tenancies
(define, endorse, admit) are read to their end, so that a typo is pointed at, and then refused.
"""

from dataclasses import replace
from functools import lru_cache

from assay.errors import Refused
from assay.iam.actor import RESOURCES, PrincipalKind
from assay.iam.permissions import OPERATIONS
from assay.iam.reader import NAMES_MAX, Reader, Vocabulary
from assay.iam.resource_types import FAMILIES, RESOURCE_TYPES, TYPE_OF_PERMISSION, Verb
from assay.iam.syntax import Condition, Grant, Location, Named, Statement, Subject, SubjectKind
from assay.iam.variables import VARIABLES, canonical_variable
from assay.iam.words import Fault, Kind, Stop

#: Services that a statement can let in. `cloudguard` is a name of OCI's that never calls here.
SERVICES = ("vulnerability-scanning-service", "faas", "cloudguard")

_CROSS_TENANCY = ("define", "endorse", "admit")
_TYPES = (*RESOURCE_TYPES, *FAMILIES)
_VOCABULARY = Vocabulary(canonical_variable, tuple(VARIABLES), "target.repo.name")
_WRITTEN = replace(
    _VOCABULARY,
    values={
        "request.operation": tuple(sorted({operation.api_name for operation in OPERATIONS.values()})),
        "request.permission": tuple(TYPE_OF_PERMISSION),
        "request.principal.type": tuple(sorted({PrincipalKind.USER, PrincipalKind.SERVICE, *RESOURCES})),
    },
)
_OCID_KINDS = {SubjectKind.GROUP: "group", SubjectKind.DYNAMIC_GROUP: "dynamicgroup"}


@lru_cache(maxsize=4096)
def check(text: str) -> Statement | Fault:
    """The statement that `text` is, or what is wrong with it; those in force are read so, old ones too."""
    return _checked(text, _VOCABULARY)


def check_written(text: str) -> Statement | Fault:
    """The statement that somebody writes now, or what is wrong with it: also a value that its variable never has."""
    return _checked(text, _WRITTEN)


def _checked(text: str, vocabulary: Vocabulary) -> Statement | Fault:
    try:
        return _statement(Reader(text, vocabulary))
    except Stop as stop:
        return stop.fault


def parse(text: str) -> Statement:
    """The statement that `text` is. Errors: Refused, pointing at the word."""
    found = check(text)
    if isinstance(found, Fault):
        raise refused(text, found)
    return found


def refused(text: str, fault: Fault, number: int | str = 1) -> Refused:
    """The refusal of a statement for a fault in it; `number` says which of several it is."""
    shown = " ".join(text.split())
    cut = f"{shown[:200]}…" if len(shown) > 200 else f"{shown}."
    return Refused(
        f"Statement {number}, character {fault.position}: {fault.problem} It says: {cut}", advice=fault.advice
    )


def _statement(reader: Reader) -> Statement:
    if reader.peek().text.lower() in _CROSS_TENANCY and reader.peek().kind is Kind.WORD:
        raise _of_several_tenancies(reader)
    reader.keyword("allow", ("allow", *_CROSS_TENANCY))
    subject = _subject(reader)
    reader.keyword("to")
    grant = _grant(reader)
    reader.keyword("in")
    location = _location(reader)
    condition = _where(reader)
    reader.end("statement")
    return Statement(subject, grant, location, condition)


def _of_several_tenancies(reader: Reader) -> Stop:
    """Read a cross-tenancy statement to its end; why it is refused all the same."""
    refusal = reader.stop(
        f"'{reader.peek().text}' speaks of several tenancies, and no statement may reach beyond its own here",
        "a statement that begins with 'allow'",
    )
    opening = reader.take().text.lower()
    if opening == "define":
        kind = reader.one_of(("tenancy", "group", "dynamic-group"), "what can be defined")
        reader.name(f"the name of a {kind}")
        reader.keyword("as")
        reader.ocid((kind.replace("-", ""),))
    else:
        _subject(reader)
        if opening == "admit":
            reader.keyword("of")
            reader.keyword("tenancy")
            reader.name("the name of a tenancy")
        reader.keyword("to")
        _grant(reader)
        reader.keyword("in")
        if opening == "admit":
            _location(reader)
        elif reader.one_of(("tenancy", "any-tenancy"), "a location") == "tenancy":
            reader.name("the name of a tenancy")
        _where(reader)
    reader.end("statement")
    return refusal


def _where(reader: Reader) -> Condition | None:
    if reader.peek().kind is Kind.END:
        return None
    reader.keyword("where")
    return reader.condition(1)


def _subject(reader: Reader) -> Subject:
    kind = SubjectKind(reader.one_of(tuple(SubjectKind), "a subject"))
    if kind is SubjectKind.ANY_USER:
        return Subject(kind)
    if kind is SubjectKind.SERVICE:
        return Subject(kind, reader.several(lambda: Named(reader.one_of(SERVICES, "a service")), NAMES_MAX))
    return Subject(kind, reader.several(lambda: _group(reader, _OCID_KINDS[kind]), NAMES_MAX))


def _group(reader: Reader, ocid_kind: str) -> Named:
    if reader.at_keyword("id"):
        reader.take()
        return Named(ocid=reader.ocid((ocid_kind,)))
    name = reader.name("the name of a group")
    if not reader.at_symbol("/"):
        return Named(name)
    reader.take()
    return Named(reader.name("the name of a group in that domain"), domain=name)


def _grant(reader: Reader) -> Grant:
    if reader.at_symbol("{"):
        reader.take()
        permissions = reader.several(lambda: reader.one_of(TYPE_OF_PERMISSION, "a permission"), len(TYPE_OF_PERMISSION))
        reader.symbol("}")
        resource_type = "" if reader.at_keyword("in") else reader.one_of(_TYPES, "a resource type")
        return Grant(None, tuple(dict.fromkeys(permissions)), resource_type)
    verb = Verb(reader.one_of(tuple(Verb), "a verb", also="permissions in braces"))
    return Grant(verb, resource_type=reader.one_of(_TYPES, "a resource type"))


def _location(reader: Reader) -> Location:
    if reader.one_of(("tenancy", "compartment"), "a location") == "tenancy":
        return Location()
    if reader.at_keyword("id"):
        reader.take()
        return Location(ocid=reader.ocid(("compartment", "tenancy")))
    return Location(reader.path("the name of a compartment, or a path A:B:C"))
