"""Networks exported to run without cnncli."""
