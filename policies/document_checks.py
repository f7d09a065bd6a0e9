"""No two keys may name one document: what cannot be shown distinct is a problem."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from policies.blocks import Findings
from policies.byte_pattern import ANY_BYTE, Step, literal, overlaps
from policies.model import DEFAULT_MAPPING, FeatureView, OriginMapping, Place
from policies.rules import feast_groups
from policies.shown_bytes import show_bytes


class _Documents(NamedTuple):
    """What a view's documents may be named; ``are_keys``: exactly as its keys."""

    view: FeatureView
    are_keys: bool
    steps: list[Step]

    @property
    def place(self) -> Place:
        """Where the mapping stands."""
        return self.view.places.get("origin", self.view.place)


def check_documents(views: Sequence[FeatureView], findings: Findings) -> None:
    """Report views whose documents may be another view's, or those of keys of no view."""
    for group in feast_groups(views).values():
        _check_group(group, findings)
    by_collection: defaultdict[tuple[str, str, str], list[_Documents]] = defaultdict(list)
    for view in views:
        by_collection[view.origin.place].append(_documents(view))
    for place, all_documents in by_collection.items():
        if place == DEFAULT_MAPPING.place:
            _check_default(all_documents, findings)
        for earlier, later, example in overlaps([documents.steps for documents in all_documents]):
            one, other = all_documents[earlier], all_documents[later]
            if not (one.are_keys and other.are_keys):  # keys are distinct as they are
                found = f"documents that {one.view.name} (line {one.view.place.line}) has in the same collection too"
                hint = "give the view a scope and collection of its own"
                findings.report(other.place, found, f'none in common, as "{show_bytes(example)}" is', hint)


def _documents(view: FeatureView) -> _Documents:
    """The names of a view's documents."""
    if view.feast is not None:
        if view.origin.layout == "feast":  # {project}:{view}:{entity key in hex}:{feature}
            prefix = f"{view.feast.project}:{view.name}:".encode()
            return _Documents(view, False, [*literal(prefix), Step(ANY_BYTE, many=True)])
        return _Documents(view, True, view.feast.steps())
    assert view.keys is not None
    template = view.origin.document
    return _Documents(view, template is None, (template or view.keys).steps())


def _check_default(all_documents: Sequence[_Documents], findings: Findings) -> None:
    """Keys of no view are documents of the default collection: beside them every other view must keep its keys."""
    for documents in all_documents:
        if not documents.are_keys:
            found = "document names of its own in the default collection, where keys of no view are documents"
            findings.report(documents.place, found, "a scope and collection of its own, or no document template")


def _check_group(group: Sequence[FeatureView], findings: Findings) -> None:
    """Feast views of one hash are one document, unless each feature is: they must agree how it is stored."""
    first = group[0]
    for view in group[1:]:
        if _stored(view.origin) != _stored(first.origin):
            place = view.places.get("origin", view.place)
            found = f"another origin than {first.name} (line {first.place.line}), which is in the same hash"
            findings.report(place, found, "the same scope, collection and layout")
        if view.durability != first.durability:
            place = view.places.get("durability", view.place)
            found = f"durability {view.durability}, but {first.durability} for {first.name}, which is in the same hash"
            findings.report(place, found, "the same durability")


def _stored(origin: OriginMapping) -> OriginMapping | str:
    """What the views of a hash must agree on."""
    return origin.layout if origin.layout == "feast" else origin
