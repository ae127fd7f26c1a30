"""How the reference implementations name what our families hold: one file per family of names.

A layout has `RULES`, pairs of a regular expression over the reference's module path ("layer1.0.conv1") and what it
becomes here ("stage1_block1/conv1"), a text with groups or a function of the match; where they depend on depth or norm,
`rules(model)` returns them. It may also have `FLATTENED`, from
the path of a dense layer to the (channels, height, width) that the reference flattens before it, and `FROM_CONV`, the
paths (regular expressions) of dense layers that are 1x1 convolutions there.
"""
