"""Runs in MLflow and Weights & Biases: settings, the figures of each epoch, the final ones, the report. One file per tracker."""
