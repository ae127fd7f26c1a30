"""Weights that were published with a description: a repository of the Hugging Face Hub, or a folder of the same layout.

`files` finds them, on this machine or by `hub`; `config` reads the description, as timm writes it; `counterparts` says
which of timm's nets are ours.
"""
