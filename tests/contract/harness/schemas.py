# SPDX-License-Identifier: MIT
"""The documents of real runs against docs/*.schema.json: all that the suites see go through here."""
import json
import os
import re

try:
    import jsonschema
except ImportError:
    jsonschema = None

MISSING = None if jsonschema else "not installed: python3-jsonschema"
DOCS = os.path.join(os.path.dirname(__file__), "..", "..", "..", "docs")
_validators = {}


def _pattern(_validator, pattern, instance, _schema):
    """`$` is the very end in JSON Schema; in Python's expressions it is before a last line feed as well."""
    if isinstance(instance, str) and not re.search(pattern.replace("$", "\\Z"), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _validator(name, part=None):
    if (name, part) not in _validators:
        with open(os.path.join(DOCS, f"{name}.schema.json"), encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        if part:  # one of several that are possible: its errors say more than that none fits
            schema = {"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]}
        known = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})
        _validators[name, part] = known(schema, format_checker=jsonschema.FormatChecker(formats=["ipv6"]))
    return _validators[name, part]


def _hold(document, validator, what):
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(document)]
    assert not errors, f"{what}: {errors}"


def result(document):
    """Fails the test unless the document is a result, or an error, as the schema has them."""
    if jsonschema:
        _hold(document, _validator("result", "failure" if "error" in document else "result"), "docs/result.schema.json")


def request(document):
    """Fails the test unless the schema takes a request that light-runner has taken."""
    if jsonschema:
        _hold(document, _validator("request"), "docs/request.schema.json")
