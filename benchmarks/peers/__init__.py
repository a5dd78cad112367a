"""The alternatives that cnncli is measured against, each a plain script as its own documentation writes it.

Scripts that classify print one class index per line, in the order of the file names, so that predictions can be compared.
"""
