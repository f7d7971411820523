"""All protections of the engine against failures, each with the tests that miss it.

So that a test that is green says something: without what it tests it is red.
"""

from tests.protections import (
    protections_following,
    protections_hops,
    protections_machine,
    protections_table,
    protections_work,
)

PROTECTIONS = {
    f"{part}: {protection.name}": protection
    for part, protections in {
        "decisions": protections_table.EVENTS,
        "tries": protections_table.TRIES,
        "notes": protections_table.NOTES,
        "generations and lines": protections_table.GENERATIONS_AND_LINES,
        "the dispatcher": protections_following.DISPATCHER,
        "the reconciler": protections_following.RECONCILER,
        "rules": protections_following.RULES,
        "commands": protections_work.COMMANDS,
        "the API": protections_work.API,
        "handlers": protections_work.HANDLERS,
        "transfers": protections_work.TRANSFERS,
        "deliveries": protections_work.DELIVERIES,
        "clocks": protections_work.CLOCKS,
        "the machine": protections_machine.MACHINE,
        "queues": protections_hops.QUEUES,
        "alarms": protections_hops.ALARMS,
    }.items()
    for protection in protections
}
"""All by name."""
