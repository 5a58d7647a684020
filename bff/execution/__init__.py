"""Compiled execution: a GraphQL operation becomes Python functions once, and is run as often as it is asked.

An executor that follows the specification word by word walks the operation for every value of every answer: which
fields are selected here, of which type is this, may it be null, is it awaitable, what is its path? All but the values
is the same in every request. So it is worked out once for each operation, and written down as Python that only moves
values.

    plans = Plans(schema)                                   # one for the process
    plan = plans.plan("{ cars { vin visit { id } } }")      # parse, validate, compile; cached by text
    result = await plan.run(context, variables)             # or run_json(...) for the bytes of the response

The way from document to answer, one module a step:

1.  `plans` finds the plan of a text and an operation name, or makes it: graphql-core parses and validates, then hooks
    may refuse (limits, cost). `variables` coerces a request's variables. `guards` decides rights before anything runs.
2.  `collect` gathers the selected fields of every object type, fragments merged, into the plain data of `model`; a
    `@skip` or `@include` on a variable makes one *shape* for each combination of values that is really asked (`shape`).
    `access` says where each field's value comes from, `arguments` what it is given. What another operation consists of
    as well is taken from the `library` and is there once: ten thousand operations of one app are few plans.
3.  `codegen` writes the functions. For the query above, over a schema where `visit` is a batch field with key `vin`
    (`plan.source` shows the real text; what stands after `run` is given with the function, as defaults):

        def rows_Car(sources, run, serialise_ID):           # sources → their parts of the response
            rows = []
            for s in sources:
                if s.__class__ not in seen: admit(s)        # never an exception, an awaitable, a null
                rows.append({
                    'vin': (v1 if (v1 := s.vin).__class__ is str else serialise_ID(v1)),
                    'visit': None,                          # filled when its level is answered
                })
            return rows
        def level_Car(sources, run, places, rows_Car, field_visit):     # all cars, wherever they are, at once
            rows = rows_Car(sources, run)
            places.begin(rows)                              # where each row goes, should one be in error
            run.ask(field_visit, [s.vin for s in sources], rows, places)
            return rows

4.  `run` executes a shape: resolvers that await become asyncio tasks (`tasks`); what levels have asked is put together
    by load and arguments and asked in one call for all keys (`batches`, `loading`), each answer going into its rows.
5.  Generated functions know only the usual case. Whatever is unusual — a null where none may be, a leaf of a wrong
    class, an error among the values — makes them raise (`vetting`), and `interpret` completes that one value again by
    the letter: it knows errors, locations, paths (`places`) and how far a null travels. A synchronous resolver below
    such a value is called again; the specification lets it (section 6.3.1: only a mutation's root fields have effects,
    and those are never called twice).
6.  `errors` decides what of an error the client sees. Plans do not know where in an operation they stand: what was
    selected at the place of an error is found from its path (`where`), in a tree that is read again (`documents`).

`events` runs subscriptions, each event a run; `incremental` is `@defer` and `@stream`, which graphql-core executes.
`executor` is the same execution behind graphql-core's own seam, for `strawberry.Schema.execute`. `fallback` counts
whatever was not compiled, and why: `plan.fallbacks`, `plans.fallbacks`.
"""

from bff.execution.errors import mask, raw
from bff.execution.executor import CompiledCoreExecutor, CompiledExecutor
from bff.execution.fallback import FallbackCounter
from bff.execution.plans import InvalidOperation, Plan, Plans, to_json

__all__ = [
    "CompiledCoreExecutor",
    "CompiledExecutor",
    "FallbackCounter",
    "InvalidOperation",
    "Plan",
    "Plans",
    "mask",
    "raw",
    "to_json",
]
