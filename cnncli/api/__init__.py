"""The public Python API: what `import cnncli` offers. docs/python.md says what is stable."""
