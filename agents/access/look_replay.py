"""Making the decisions of a look again: from its leaf, what is sealed beside it, and the policies that it names."""

from base64 import b64decode
from dataclasses import dataclass

from agents.access.look_log import DECISION_FIELD, disclosure_name
from agents.log.tree import DamagedLog, SignedTree
from agents.platform.data_keys import DataKeyCache
from agents.platform.knowledge import ACCESS_DOMAIN
from schemas.errors import ConfigurationError, VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from security.access.decision_record import NotReproduced
from security.access.look_record import LookRecord, replay_look
from security.access.policy_set import PolicySet, default_policies
from security.commitment import Commitments
from security.key_provider import MAX_TIER
from security.merkle import leaf_hash, verify_inclusion
from security.opening import FieldOpener, OpenedField
from security.tier_keys import TierKeys
from streams.storage.log_entries import disclosures_of
from streams.storage.log_tree import index_of
from streams.storage.policies import find_policy


@dataclass(frozen=True, slots=True)
class ReplayedLook:
    """A look whose decisions came out the same.

    Attributes:
        body: The record as it was committed to, for who replays it offline.
        policies: The text that decided.
    """

    leaf: Leaf
    record: LookRecord
    body: bytes
    salt: bytes
    commitment: bytes
    policies: str


async def replay_from_log(tree: SignedTree, index: int, access_keys: TierKeys) -> ReplayedLook:
    """Make the decisions of one look again.

    Args:
        access_keys: Open what is sealed beside it.

    Raises:
        ConfigurationError: The leaf is none of a look by somebody's right, or its policies are gone.
        NotReproduced: The policies say something else, or are not those that it names.
        VerificationFailed: What is stored is not what the log holds.
        NoSuchProofError: No checkpoint reaches that leaf.
    """
    body = await tree.entry(index)
    (proof,) = await tree.inclusion([index])
    verify_inclusion(leaf_hash(body), index, tree.checkpoint.size, proof.path, tree.checkpoint.root)
    leaf = decode_leaf(body)
    if leaf.policy is None or leaf.decision is None:
        raise ConfigurationError(f"the leaf at index {index} is none of a look that policies decided over")
    field = await _opened(tree, index, leaf, access_keys)
    if field.value is None or field.salt is None:
        raise VerificationFailed(f"the decisions of the look at index {index} can't be opened any more: {field.state}")
    text = await _policies(tree, leaf.policy)
    try:
        commitment = b64decode(leaf.decision, validate=True)
    except ValueError:
        raise VerificationFailed(f"the leaf at index {index} commits to nothing") from None
    kind = Commitments.of_leaf(leaf.commitments)
    policies = PolicySet.parse(text)
    if leaf.policy.partition("@")[2] != policies.digest:
        raise NotReproduced(f"the look names policies {leaf.policy}, those of that version are {policies.digest}")
    record = replay_look(field.value, field.salt, commitment, policies, kind)
    return ReplayedLook(leaf, record, field.value, field.salt, commitment, text)


async def _opened(tree: SignedTree, index: int, leaf: Leaf, access_keys: TierKeys) -> OpenedField:
    connection, log_id = tree.connection, tree.row.log_id
    for (commit_id, ordinal), stored in (await disclosures_of(connection, log_id, {leaf.commit})).items():
        if await index_of(connection, log_id, commit_id, ordinal) == tree.row.start + index:
            data_keys = DataKeyCache()
            await data_keys.load(connection, [stored.pass_id])
            opener = FieldOpener(access_keys, data_keys.get, MAX_TIER)
            name = disclosure_name(leaf.commit)
            opened = opener.open_record(stored.tenant, ACCESS_DOMAIN, name, stored.pass_id, stored.sealed)
            if DECISION_FIELD in opened:
                return opened[DECISION_FIELD]
    raise DamagedLog(
        f"log {tree.row.origin}, index {index}: its decisions are not there; run `sealstream audit verify`"
    )


async def _policies(tree: SignedTree, named: str) -> str:
    version = named.partition("@")[0]
    if not version.isdecimal():
        raise VerificationFailed("the leaf names no version of the policies")
    if int(version) == 0:
        return default_policies()
    return (await find_policy(tree.connection, version=int(version))).text
