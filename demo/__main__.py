"""`python -m demo`."""

from demo.app import main

main()
