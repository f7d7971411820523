"""A simulated workforce, provider and reviewer, with real handwritten digits. For the local cloud and tests only.

Nothing here is a labeling service. What it writes says so: job names begin with `simulated/`, and log lines
with "simulated".

Who may know what, which is what makes the demo's figures mean something:

| part | knows |
| --- | --- |
| workforce | the pixels of the batch's images; images and labels of the *other* digits |
| provider | what the project's data role reads in S3, and what the API tells a provider |
| reviewer | the labels under review, and the true labels of the sample's objects |
| accuracy | the true labels of all, after the delivery |
"""

from gtplus_cli.simulation.accuracy import Accuracy, measure
from gtplus_cli.simulation.answers import Answers, OutsideSample, SampleAnswers
from gtplus_cli.simulation.material import Digits, Material, OwnImages
from gtplus_cli.simulation.picture import Tile, contact_sheet
from gtplus_cli.simulation.provider import SimulatedProvider
from gtplus_cli.simulation.reviewer import SimulatedReviewer, Verdict
from gtplus_cli.simulation.workforce import Label, Work, Workforce

__all__ = [
    "Accuracy",
    "Answers",
    "Digits",
    "Label",
    "Material",
    "OutsideSample",
    "OwnImages",
    "SampleAnswers",
    "SimulatedProvider",
    "SimulatedReviewer",
    "Tile",
    "Verdict",
    "Work",
    "Workforce",
    "contact_sheet",
    "measure",
]
