"""Every test of graphql-core's execution suite that a compiled plan answers otherwise, and why that is meant."""

_CLOSED = (
    "graphql-core lets awaitables whose place a null took away run on in the background; a plan closes what has not "
    "begun, so that a request leaves no task behind. The response is the same."
)
_TIMING = (
    "Which errors below a nulled place are still reported depends on timing (section 6.4.4 asks for one). graphql-core "
    "keeps a slower sibling's; a plan drops it once the null stands, as graphql.js does."
)
_ORDER = (
    "The order of errors of fields that run side by side is the order in which they failed; the specification has none."
)

DEVIATIONS: dict[str, str] = {
    "test_cancellation.py::suppresses_sibling_errors_after_a_non_null_error_bubbles": (
        "The test fails a future after the null stands; a plan has cancelled the task that awaits it by then."
    ),
    "test_executor.py::handles_sync_errors_combined_with_async_ones_in_async_context": _CLOSED,
    "test_lists.py::handles_iterator_errors_with_later_pending_awaitables": _CLOSED,
    "test_lists.py::handles_sync_errors_with_later_pending_awaitables": _CLOSED,
    "test_nonnull.py::describe_nulls_a_complex_tree_of_nullable_fields_each::throws": _ORDER,
    "test_nonnull.py::nullable_and_non_nullable_root_fields_throw_nested_errors": _TIMING,
    "test_nonnull.py::slower_nullable_after_non_nullable_root_field": _TIMING,
    "test_nonnull.py::nullable_and_non_nullable_nested_fields_throw_nested_errors": _TIMING,
    "test_nonnull.py::slower_nullable_after_non_nullable_nested_field": _TIMING,
}
