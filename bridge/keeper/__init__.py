"""The keeper: a small process that holds connections to servers while the bridge is away, crashed or being upgraded.

It knows bytes, not chat, so that it has nothing that needs upgrading. `frames` is how it and the bridge talk, `held`
one connection as the keeper has it, `dialling` how it comes about, `process` the keeper itself; `client` is the
bridge's side, `launch` finds or starts a keeper. What they say to each other is written down in ``docs/keeper.md``.
"""
