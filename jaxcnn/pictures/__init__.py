"""Pictures of what a net has learnt: maps over an image, and the tiles and colours that they are drawn with."""
