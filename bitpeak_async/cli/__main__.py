"""``python -m bitpeak_async.cli``."""

from bitpeak_async.cli import main

main()
