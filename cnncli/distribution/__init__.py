"""Outputs in parts: a plan, parts that any number of processes and machines compute, and what joins them.

DIR/plan.json          what the answers depend on, and the ranges of the list that make the parts
DIR/inputs.txt         the inputs, one path per line, where they were not a list already
DIR/part-00017.csv     the records of one range, written whole or not at all
DIR/stats-00017.json   how many inputs it has, how many of them could not be read, how long it took
DIR/_SUCCESS           all parts are there
"""
