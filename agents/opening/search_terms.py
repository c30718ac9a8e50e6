"""The blind terms that a search looks for: of each log whose tenant has the field searchable."""

from collections.abc import Iterable, Sequence

from agents.commits.leaves import LogRef
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from security.blind_terms import BlindIndex
from streams.storage.index_keys import IndexRotation, current_versions, former_versions


def search_terms(
    identity: Identity,
    knowledge: Knowledge,
    logs: Iterable[LogRef],
    field: str,
    value: str,
    rotations: Sequence[IndexRotation],
) -> list[tuple[int, bytes]] | None:
    """The terms of a value, each with its log; None where no tenant has the field searchable."""
    former = former_versions(rotations)
    current = BlindIndex(identity.keyring, current_versions(rotations))
    before = BlindIndex(identity.keyring, former)
    tokens, searchable = [], False
    for log in logs:
        for record_type in knowledge.catalogue.record_types(log.tenant):
            spec = knowledge.catalogue.fields(log.tenant, record_type).get(field)
            if spec is None or spec.search is None:
                continue
            searchable = True
            for blind in (current, before) if (log.tenant, field) in former else (current,):
                term = blind.term(log.tenant, field, spec.search, value)
                if term is not None:
                    tokens.append((log.log_id, term))
    return list(dict.fromkeys(tokens)) if searchable else None
