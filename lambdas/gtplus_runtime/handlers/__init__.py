"""The handlers, a file each. The SDK is loaded while a function starts, where its processor is at its fastest."""

import boto3 as boto3
