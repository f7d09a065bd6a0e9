"""The policy: which numbers apply to which entry. Knows neither the protocol nor the sidecar."""

from policies._freshness import Freshness, RuleFlag
from policies._table import RuleTable
from policies.compiled import CompiledPolicy, FeastView, Rule
from policies.documents import DocumentAddress
from policies.errors import PolicyError, Problem
from policies.loader import load, parse
from policies.policy import DEFAULT_POLICY, Policy

__all__ = [
    "DEFAULT_POLICY",
    "CompiledPolicy",
    "DocumentAddress",
    "FeastView",
    "Freshness",
    "Policy",
    "PolicyError",
    "Problem",
    "Rule",
    "RuleFlag",
    "RuleTable",
    "load",
    "parse",
]
