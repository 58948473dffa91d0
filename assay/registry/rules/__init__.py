"""What a tenancy decides for its repositories beside who may: what goes by itself, and how much may lie there.

`retention` keeps the policies, `sweep` carries them out by `plan`, which is pure; `quotas` holds the limits.
"""
