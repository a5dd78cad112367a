"""What people would use instead, each as the plain script that its own documentation leads to.

Every script prints one class index a line, in the order of the file names, so that answers can be compared.
"""
