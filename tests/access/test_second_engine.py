"""Another engine says the same on random policies.

It is the npm package `@cloud-copilot/iam-simulate`, under the AGPL: so it is no dependency, is never imported, bundled
or shipped, and runs as a process of its own out of a scratch folder where npm puts it when this test runs. That takes
the npm registry and half a minute, so it is asked for by an environment variable:

    GTPLUS_SECOND_ENGINE=1 python -m pytest tests/access/test_second_engine.py

`GTPLUS_SECOND_ENGINE_CASES` and `GTPLUS_SECOND_ENGINE_SEED` say how many policies and which; by default 20,000.
"""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from gtplus_constructs.assertions import NotModelled, Outcome
from tests.access.random_policies import Case, case
from tests.template.asl import NODE, NPM

PACKAGE = "@cloud-copilot/iam-simulate@0.1.173"
CASES = int(os.environ.get("GTPLUS_SECOND_ENGINE_CASES", "20000"))
SEED = int(os.environ.get("GTPLUS_SECOND_ENGINE_SEED", "10"))
OUTCOMES = {
    "Allowed": Outcome.ALLOWED,
    "ExplicitlyDenied": Outcome.EXPLICITLY_DENIED,
    "ImplicitlyDenied": Outcome.IMPLICITLY_DENIED,
}

pytestmark = pytest.mark.skipif(
    os.environ.get("GTPLUS_SECOND_ENGINE") != "1", reason="on demand: GTPLUS_SECOND_ENGINE=1 (see the docstring)"
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the other engine is installed."""
    folder = tmp_path_factory.mktemp("second-engine")
    options = ("--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts")
    subprocess.run([NODE, NPM, "install", "--prefix", folder, *options, PACKAGE], check=True, capture_output=True)
    return folder


def test_both_engines_agree_on_random_policies(engine: Path) -> None:
    random = Random(SEED)
    decided: list[tuple[Case, Outcome]] = []
    questions: list[str] = []
    refused = 0
    while len(decided) < CASES:
        one = case(random)
        try:
            decision = one.decide()
        except NotModelled:
            refused += 1
            continue
        decided.append((one, decision.outcome))
        questions.append(json.dumps(one.simulation(decision)))
    script = Path(__file__).with_name("second_engine.mjs")
    done = subprocess.run(
        [NODE, script, engine], input="\n".join(questions), capture_output=True, text=True, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(answers) == CASES
    errors = [(a["errors"], q) for a, q in zip(answers, questions, strict=True) if a["resultType"] != "single"]
    assert not errors, f"{len(errors)} questions are refused: {errors[0]}"
    ignored = Counter(key for answer in answers for key in answer["ignored"])
    assert not ignored, f"the other engine ignored {ignored}: it answered other questions"
    differing = [
        (ours.value, answer["outcome"], question)
        for (_, ours), answer, question in zip(decided, answers, questions, strict=True)
        if OUTCOMES[answer["outcome"]] is not ours
    ]
    assert not differing, f"{len(differing)} disagreements, the first: {differing[0]}"
    counts = Counter(outcome for _, outcome in decided)
    assert min(counts[outcome] for outcome in Outcome) > CASES / 20, counts  # or they agree on nothing in particular
    assert refused < CASES / 2, f"{refused} are not modelled"
