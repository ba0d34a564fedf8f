"""Read and write spec files. A file with problems is refused, with all problems and their places.

::

    read     paths → text → csv | json | toml | yaml → document (data, lines, problems)
                   → reader (environment replaces ${NAME}) → handler specs
             loader: the same for sets of files, each file read once

    write    handler specs → writer (variables makes ${NAME}) → entries → dump → text

``bitpeak_async.provisioning.files`` is the public entry.
"""
