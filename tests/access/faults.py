"""All single faults, each with the promise that catches it.

A fault is a small change of the good template, as a careless hand, a convenient grant or another default would make
it. Those that no scanner of templates sees are among them.
"""

from tests.access import faults_data, faults_engine, faults_people, faults_template, faults_words

FAULTS = {
    f"{part}: {fault.name}": fault
    for part, faults in {
        "the data role": faults_data.DATA_ROLE,
        "trust": faults_data.WHO_BECOMES,
        "a bucket": faults_data.BUCKETS,
        "a revocation": faults_data.REVOCATIONS,
        "people": faults_people.PEOPLE,
        "the engine": faults_engine.ENGINE,
        "storage": faults_engine.STORAGE,
        "the template": faults_template.TEMPLATE,
        "a word": faults_words.WORDS,
    }.items()
    for fault in faults
}
"""All faults by name."""
