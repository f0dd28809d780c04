"""duress as a library: what the command line does, as functions that return objects.

``import duress`` has the names of this package; each module is imported when one of its names is
used. Functions take the flags of the commands by the same names. They print nothing, raise
``UserError`` for mistakes with the text that the command prints, and leave it to the caller what to
make of a verdict. ``docs/python.md`` shows them in use.
"""
