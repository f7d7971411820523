"""AWS CDK constructs for labeling the SageMaker Ground Truth Plus way, in an account of your own."""

from gtplus_constructs.access import DataAccessRole, DataGrant
from gtplus_constructs.api import LabelingApi
from gtplus_constructs.bucket import LabelingBucket
from gtplus_constructs.directory import UserDirectory
from gtplus_constructs.monitoring import Monitoring
from gtplus_constructs.project import LabelingProject
from gtplus_constructs.provider import ExternalAccount, GroundTruthPlus, InHouse, LabelingProvider
from gtplus_constructs.team import ProjectTeam
from gtplus_constructs.workflow import BatchWorkflow
from gtplus_constructs.workspace import LabelingWorkspace
from gtplus_runtime.lifecycle import BatchStatus, Duty, ProjectStatus
from gtplus_runtime.places import GROUND_TRUTH, GROUND_TRUTH_PLUS, Limits

__all__ = [
    "GROUND_TRUTH",
    "GROUND_TRUTH_PLUS",
    "BatchStatus",
    "BatchWorkflow",
    "DataAccessRole",
    "DataGrant",
    "Duty",
    "ExternalAccount",
    "GroundTruthPlus",
    "InHouse",
    "LabelingApi",
    "LabelingBucket",
    "LabelingProject",
    "LabelingProvider",
    "LabelingWorkspace",
    "Limits",
    "Monitoring",
    "ProjectStatus",
    "ProjectTeam",
    "UserDirectory",
]
