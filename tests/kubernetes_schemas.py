"""Judges Kubernetes objects by the API's own OpenAPI schemas, strictly: an unknown member is an error.

The schemas come with PyPI's kubernetes-validate; its own function reads megabytes of them anew for each object, so the
validators are kept here.
"""

import functools
from typing import Any

import jsonschema
from kubernetes_validate import utils
from referencing import Registry, Resource

OLDEST_NATIVE, LATEST = "1.29", utils.latest_version()
BEFORE_NATIVE = "1.27"


def schema_errors(item: dict[str, Any], version: str = LATEST) -> list[str]:
    """What is wrong with an object by the schemas of a version of Kubernetes."""
    group, _, api = str(item["apiVersion"]).rpartition("/")
    validator = _validator(version, item["kind"], f"{group.split('.')[0]}-{api}" if group else api)
    return [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in validator.iter_errors(item)
    ]


@functools.cache
def _validator(version: str, kind: str, api: str) -> Any:
    folder = next(f"v{full}-local-strict" for full in reversed(utils.all_versions()) if full.startswith(f"{version}"))
    schema = utils.schema_contents(f"kubernetes-json-schema/{folder}/{kind.lower()}-{api}.json", version)
    return jsonschema.Draft202012Validator(schema, registry=_definitions(folder, version))


@functools.cache
def _definitions(folder: str, version: str) -> Any:
    definitions = utils.schema_contents(f"kubernetes-json-schema/{folder}/_definitions.json", version)
    return Resource.from_contents(definitions) @ Registry()
