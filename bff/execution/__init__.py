"""Compiled execution."""

from bff.execution.errors import mask, raw
from bff.execution.executor import CompiledExecutor
from bff.execution.fallback import FallbackCounter
from bff.execution.plans import InvalidOperation, Plan, Plans, to_json

__all__ = ["CompiledExecutor", "FallbackCounter", "InvalidOperation", "Plan", "Plans", "mask", "raw", "to_json"]
