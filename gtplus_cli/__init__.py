"""The desk: the command `gtplus`, the local cloud, the simulated provider, the demo."""
