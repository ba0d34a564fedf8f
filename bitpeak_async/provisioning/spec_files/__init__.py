"""Read spec files whole, or refuse them with every problem and where it is; write them back equal.

::

    reading   paths → text → csv | json | toml | yaml → document (nodes with locations)
                    → reader (uses environment for ${NAME}) → handler specs
              loader: the same for sets of files, each file read once

    writing   handler specs → writer (uses variables for ${NAME}) → entries → dump → text

``bitpeak_async.provisioning.files`` is the public way in.
"""
