"""The common model: pure values and their codecs.

No I/O, no clock, no settings, and no import of anything else of ours. Everything here is frozen, so that a value
may be shared between tasks and threads without a second thought.
"""
