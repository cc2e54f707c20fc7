"""The tabs of the page, in their order.

A tab is a module with a TITLE and `build(page, runner)`, which lays it out and connects its events.
"""

from . import compare, draw, morph, train, watch

TABS = (watch, compare, draw, morph, train)
