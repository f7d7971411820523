"""AWS CDK constructs for labeling the SageMaker Ground Truth Plus way."""
