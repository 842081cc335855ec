# SPDX-License-Identifier: MIT
"""Validates the documents of real runs against docs/*.schema.json. Every document that the suites see is validated here."""
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
    """In JSON Schema, `$` matches only at the very end. In Python, it also matches before a final line feed."""
    if isinstance(instance, str) and not re.search(pattern.replace("$", "\\Z"), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _validator(name, part=None):
    if (name, part) not in _validators:
        with open(os.path.join(DOCS, f"{name}.schema.json"), encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        if part:  # validated by itself, so that the error is more precise than "no alternative matches"
            schema = {"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]}
        known = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})
        _validators[name, part] = known(schema, format_checker=jsonschema.FormatChecker(formats=["ipv6"]))
    return _validators[name, part]


def _hold(document, validator, what):
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(document)]
    assert not errors, f"{what}: {errors}"


def result(document):
    """Fails the test unless the document is a valid result or error."""
    if jsonschema:
        _hold(document, _validator("result", "failure" if "error" in document else "result"), "docs/result.schema.json")


def request(document):
    """Fails the test unless the schema accepts this request, which light-runner has accepted."""
    if jsonschema:
        _hold(document, _validator("request"), "docs/request.schema.json")


def rpc(message, part):
    """Fails the test unless the schema accepts a line of `light-runner rpc`. part: toServer or toClient."""
    if not jsonschema:
        return
    _hold(message, _validator("rpc", part), "docs/rpc.schema.json")
    if part == "toServer" and message["method"] == "run":
        request(message["params"]["request"])
    if part == "toClient" and isinstance(message.get("result"), dict) and "usage" in message["result"]:
        result(message["result"])
