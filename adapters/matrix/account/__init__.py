"""Matrix through an ordinary account (``mode: user``): for those whose homeserver's administrator is somebody else.

The account speaks for everybody, by name; people in private conversations with it say for whom their words are.
"""
